//! Tests in two processes: a child that comes to its end at a chosen point, and this one, which looks at what it left.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Lines, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;

use sortie::probe::Trap;
use sortie::{
    AgentContext, AgentError, AgentRef, Builder, LaunchId, SledJournal, StartError, System, agent_fn,
};

use crate::directory::Directory;
use crate::support::threads;

const SIGKILL: i32 = 9;
const DIRECTORY: &str = "SORTIE_TEST_DOOMED";
const TOLD: &str = "SORTIE_TEST_TOLD";
/// The file that lets bodies hang while it is there.
const HANG: &str = "hang";
/// How a child's words are told from those of the test harness.
const SAID: &str = "@ ";

/// Where it happens: a directory with a journal, and with a file in which bodies note what they do.
pub struct Scene {
    test: &'static str,
    directory: Directory,
}

/// The child process, as its part of the test sees it.
#[derive(Clone)]
pub struct Doomed {
    directory: PathBuf,
    told: String,
}

impl Scene {
    /// The scene of a test, whose name this is, with what its children do. In a child that is done, and nothing is left to
    /// do.
    pub async fn of(test: &'static str, part: impl AsyncFnOnce(Doomed)) -> Option<Self> {
        let Some(child) = Doomed::this() else { return Some(Self { test, directory: Directory::new() }) };
        part(child).await;
        None
    }

    /// The same, with children that have two worker threads and the real clock, as services have.
    pub fn on_threads(test: &'static str, part: impl AsyncFnOnce(Doomed) + Send) -> Option<Self> {
        let Some(child) = Doomed::this() else { return Some(Self { test, directory: Directory::new() }) };
        // The test has a runtime already, within which no other one can be waited for.
        let process = || threads(2).block_on(part(child));
        thread::scope(|scope| scope.spawn(process).join().unwrap());
        None
    }

    /// The same test with nothing left of what was.
    pub fn anew(&self) -> Self {
        Self { test: self.test, directory: Directory::new() }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn journal(&self) -> PathBuf {
        self.directory.journal()
    }

    /// Starts a child, and tells it something: in most tests a fault, for it to arm when the moment has come.
    pub fn child(&self, told: &str) -> Process {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", self.test, "--nocapture", "--test-threads=1"])
            .env(DIRECTORY, self.path())
            .env(TOLD, told)
            .stdout(Stdio::piped())
            .stderr(fs::File::create(self.path().join("stderr")).unwrap())
            .spawn()
            .unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        Process { child, said }
    }

    /// Runs a child that must be killed by the fault that it arms, and gives what it had said.
    pub fn killed(&self, fault: &str) -> Vec<String> {
        let (said, status) = self.child(fault).end();
        assert_eq!(status.signal(), Some(SIGKILL), "{fault}: {said:?} {}", self.stderr());
        said
    }

    /// Runs a child that must come through.
    pub fn survived(&self, fault: &str) -> Vec<String> {
        let (said, status) = self.child(fault).end();
        assert!(status.success(), "{fault}: {status:?} {said:?} {}", self.stderr());
        said
    }

    fn stderr(&self) -> String {
        fs::read_to_string(self.path().join("stderr")).unwrap_or_default()
    }

    /// A system on the journal, with an agent that ends as it should.
    pub async fn restart(&self) -> (System, AgentRef<u32, u32>) {
        let mut builder = builder(self.path());
        let agent = builder.register(work(self.path(), |n, _| async move { Ok(n) }));
        (builder.start().await.unwrap(), agent)
    }

    /// The attempts whose bodies have come so far, in this order.
    pub fn noted(&self, what: &str) -> Vec<(LaunchId, u32)> {
        let notes = fs::read_to_string(self.path().join("notes")).unwrap_or_default();
        let words = notes.lines().map(|line| line.split(' ').collect::<Vec<_>>());
        let such = words.filter(|words| words[0] == what);
        such.map(|words| (words[1].parse().unwrap(), words[2].parse().unwrap())).collect()
    }

    /// Bodies of [`hanging`] that begin from here on do not end.
    pub fn hang(&self) {
        fs::File::create(self.path().join(HANG)).unwrap();
    }

    /// They end again, but for those that hang already.
    pub fn let_go(&self) {
        fs::remove_file(self.path().join(HANG)).unwrap();
    }

    /// The numbers of the attempts whose bodies have begun, of whichever launch.
    pub fn begun(&self) -> Vec<u32> {
        self.noted("begun").into_iter().map(|(_, attempt)| attempt).collect()
    }
}

impl Doomed {
    /// This process, if it is one.
    fn this() -> Option<Self> {
        let directory = std::env::var_os(DIRECTORY)?.into();
        Some(Self { directory, told: std::env::var(TOLD).unwrap() })
    }

    /// What the test has told this child.
    pub fn told(&self) -> &str {
        &self.told
    }

    /// Arms the fault that this child was told.
    pub fn arm(&self) -> Trap {
        Trap::everywhere(&self.told)
    }

    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// Says something to the test.
    pub fn say(&self, text: impl ToString) {
        say(&text.to_string());
    }

    /// A system on the journal, with an agent that notes each body and then does this.
    pub async fn start<F, Fut>(&self, body: F) -> (System, AgentRef<u32, u32>)
    where
        F: Fn(u32, AgentContext) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<u32, AgentError>> + Send + 'static,
    {
        let mut builder = builder(&self.directory);
        let agent = builder.register(work(&self.directory, body));
        (builder.start().await.unwrap(), agent)
    }

    /// A system without agents on the journal, if it starts.
    pub async fn try_start(&self) -> Result<System, StartError> {
        builder(&self.directory).start().await
    }
}

/// The builder of a system on the journal in a directory.
pub fn builder(directory: &Path) -> Builder {
    System::builder().journal(SledJournal::open(directory.join("journal")).unwrap())
}

/// An agent that notes each body when it begins and, if it does, when its effect is done.
pub fn work<F, Fut>(directory: &Path, body: F) -> AgentRef<u32, u32>
where
    F: Fn(u32, AgentContext) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<u32, AgentError>> + Send + 'static,
{
    let directory = directory.to_owned();
    let agent = agent_fn(move |n: u32, cx: AgentContext| {
        let id = cx.launch_id().expect("a launch");
        let attempt = cx.attempt();
        note(&directory, &format!("begun {id} {attempt}"));
        let (directory, body) = (directory.clone(), body(n, cx));
        async move {
            let result = body.await;
            note(&directory, &format!("effect {id} {attempt}"));
            result
        }
    });
    AgentRef::new(agent.named("work"))
}

/// Such an agent, whose bodies do not end if the scene lets them [`hang`](Scene::hang).
pub fn hanging(directory: &Path) -> AgentRef<u32, u32> {
    let hang = directory.join(HANG);
    work(directory, move |n, _| {
        let hangs = hang.exists();
        async move {
            if hangs {
                std::future::pending::<()>().await;
            }
            Ok(n)
        }
    })
}

/// Notes something of a body in the file beside the journal.
pub fn note(directory: &Path, text: &str) {
    let mut notes = OpenOptions::new().create(true).append(true).open(directory.join("notes")).unwrap();
    notes.write_all(format!("{text}\n").as_bytes()).unwrap();
}

/// A child process says something.
pub fn say(text: &str) {
    let mut out = std::io::stdout();
    out.write_all(format!("\n{SAID}{text}\n").as_bytes()).unwrap();
    out.flush().unwrap();
}

/// A child process. Dropping it kills it.
pub struct Process {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// The next that it says; `None` when it has ended.
    pub fn hear(&mut self) -> Option<String> {
        self.said.by_ref().map(Result::unwrap).find_map(|line| Some(line.strip_prefix(SAID)?.to_owned()))
    }

    /// What it says until it ends, and how it ends.
    pub fn end(mut self) -> (Vec<String>, ExitStatus) {
        let said = std::iter::from_fn(|| self.hear()).collect();
        (said, self.child.wait().unwrap())
    }

    /// Waits until it has said this.
    pub fn await_word(&mut self, text: &str) {
        let heard = std::iter::from_fn(|| self.hear()).any(|said| said == text);
        assert!(heard, "never said: {text}");
    }

    /// Kills it, and waits until it is gone.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
