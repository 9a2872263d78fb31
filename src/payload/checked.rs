//! The serializer in front of serde_json's.

use serde::ser::{
    Error, Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant, Serializer,
};

use super::sink::{Loss, Sink, mixed};

/// A serializer that writes what `inner` does, and notes the calls and what is lost.
pub(super) struct Checked<'s, S> {
    inner: S,
    sink: &'s Sink<'s>,
    place: Place,
}

/// What a serializer of serde_json's writes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Value,
    /// The key of an object.
    Key,
    /// Text that is written as it is.
    Raw,
}

/// How long a string is at least that is written past serde_json.
const LONG: usize = 16;

impl<'s, S> Checked<'s, S> {
    pub(super) fn new(inner: S, sink: &'s Sink<'s>) -> Self {
        Self { inner, sink, place: Place::Value }
    }
}

/// A value that is serialized in front of a serializer of serde_json's, wherever that asks for it.
struct Within<'s, 'v, T: ?Sized> {
    value: &'v T,
    sink: &'s Sink<'s>,
    place: Place,
}

impl<T: Serialize + ?Sized> Serialize for Within<'_, '_, T> {
    #[inline]
    fn serialize<S: Serializer>(&self, inner: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(Checked { inner, sink: self.sink, place: self.place })
    }
}

/// The numbers of the calls.
pub(super) mod call {
    pub(super) const BOOL: u64 = 1;
    pub(super) const I8: u64 = 2;
    pub(super) const I16: u64 = 3;
    pub(super) const I32: u64 = 4;
    pub(super) const I64: u64 = 5;
    pub(in crate::payload) const I128: u64 = 6;
    pub(super) const U8: u64 = 7;
    pub(super) const U16: u64 = 8;
    pub(super) const U32: u64 = 9;
    pub(super) const U64: u64 = 10;
    pub(in crate::payload) const U128: u64 = 11;
    pub(super) const F32: u64 = 12;
    pub(super) const F64: u64 = 13;
    pub(super) const CHAR: u64 = 14;
    pub(super) const STR: u64 = 15;
    pub(super) const BYTES: u64 = 16;
    pub(super) const NONE: u64 = 17;
    pub(super) const SOME: u64 = 18;
    pub(super) const UNIT: u64 = 19;
    pub(super) const UNIT_STRUCT: u64 = 20;
    pub(super) const UNIT_VARIANT: u64 = 21;
    pub(super) const NEWTYPE_STRUCT: u64 = 22;
    pub(super) const NEWTYPE_VARIANT: u64 = 23;
    pub(super) const SEQ: u64 = 24;
    pub(super) const TUPLE: u64 = 25;
    pub(super) const TUPLE_STRUCT: u64 = 26;
    pub(super) const TUPLE_VARIANT: u64 = 27;
    pub(super) const MAP: u64 = 28;
    pub(super) const STRUCT: u64 = 29;
    pub(super) const STRUCT_VARIANT: u64 = 30;
}

/// The number of a call for a type or a variant of this name.
#[inline]
fn named(call: u64, index: u32, name: &str) -> u64 {
    let mut number = mixed(call, u64::from(index));
    for chunk in name.as_bytes().chunks(8) {
        let mut word = [0; 8];
        word[..chunk.len()].copy_from_slice(chunk);
        number = mixed(number, u64::from_le_bytes(word));
    }
    // The highest numbers are those of losses.
    number >> 1
}

/// What a value that is too deep ends with. The sink knows why.
#[cold]
fn too_deep<E: Error>() -> E {
    E::custom("too deep")
}

/// What serde_json writes by itself, and reads again, under the name of a struct.
const PRIVATE: &str = "$serde_json::private::";

impl<'s, S: Serializer> Checked<'s, S> {
    fn within<'v, T: ?Sized>(&self, value: &'v T) -> Within<'s, 'v, T> {
        Within { value, sink: self.sink, place: self.place }
    }

    #[inline]
    fn compound<C>(
        self,
        levels: u32,
        begin: impl FnOnce(S) -> Result<C, S::Error>,
    ) -> Result<Compound<'s, C>, S::Error> {
        if !self.sink.descend(levels) {
            return Err(too_deep());
        }
        Ok(Compound { inner: begin(self.inner)?, sink: self.sink, levels, place: Place::Value })
    }

    #[inline]
    fn wrapper(
        self,
        levels: u32,
        write: impl FnOnce(S) -> Result<S::Ok, S::Error>,
    ) -> Result<S::Ok, S::Error> {
        if !self.sink.descend(levels) {
            return Err(too_deep());
        }
        let written = write(self.inner)?;
        self.sink.ascend(levels);
        Ok(written)
    }

    fn note_float(&self, float: f64) {
        if float.is_finite() || self.place == Place::Key {
            return;
        }
        let loss = match float {
            f64::INFINITY => Loss::Infinity,
            f64::NEG_INFINITY => Loss::NegativeInfinity,
            _ => Loss::NotANumber,
        };
        self.sink.lose(self.sink.len(), loss);
    }
}

/// The scalars, of which nothing is lost.
macro_rules! scalars {
    ($($name:ident($scalar:ty) $call:ident,)*) => {$(
        #[inline]
        fn $name(self, value: $scalar) -> Result<S::Ok, S::Error> {
            self.sink.note(call::$call);
            self.inner.$name(value)
        }
    )*};
}

impl<'s, S: Serializer> Serializer for Checked<'s, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = Compound<'s, S::SerializeSeq>;
    type SerializeTuple = Compound<'s, S::SerializeTuple>;
    type SerializeTupleStruct = Compound<'s, S::SerializeTupleStruct>;
    type SerializeTupleVariant = Compound<'s, S::SerializeTupleVariant>;
    type SerializeMap = Compound<'s, S::SerializeMap>;
    type SerializeStruct = Compound<'s, S::SerializeStruct>;
    type SerializeStructVariant = Compound<'s, S::SerializeStructVariant>;

    scalars! {
        serialize_bool(bool) BOOL,
        serialize_i8(i8) I8,
        serialize_i16(i16) I16,
        serialize_i32(i32) I32,
        serialize_i64(i64) I64,
        serialize_i128(i128) I128,
        serialize_u8(u8) U8,
        serialize_u16(u16) U16,
        serialize_u32(u32) U32,
        serialize_u64(u64) U64,
        serialize_u128(u128) U128,
        serialize_char(char) CHAR,
        serialize_bytes(&[u8]) BYTES,
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }

    fn serialize_f32(self, value: f32) -> Result<S::Ok, S::Error> {
        self.sink.note(call::F32);
        self.note_float(f64::from(value));
        if self.place == Place::Key {
            return self.inner.serialize_f32(value);
        }
        self.sink.singles.set(true);
        if self.sink.widens {
            self.inner.serialize_f64(f64::from(value))
        } else {
            self.inner.serialize_f32(value)
        }
    }

    fn serialize_f64(self, value: f64) -> Result<S::Ok, S::Error> {
        self.sink.note(call::F64);
        self.note_float(value);
        self.inner.serialize_f64(value)
    }

    fn serialize_str(self, value: &str) -> Result<S::Ok, S::Error> {
        self.sink.note(call::STR);
        if self.place == Place::Raw || value.len() < LONG {
            return self.inner.serialize_str(value);
        }
        // serde_json looks at strings byte by byte. Its serializer is told of one whose text stands already.
        if self.sink.string(value).is_err() {
            return Err(S::Error::custom("the string does not fit"));
        }
        self.sink.muted.set(true);
        let written = self.inner.serialize_str("");
        self.sink.muted.set(false);
        written
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.sink.note(call::STR);
        self.inner.collect_str(value)
    }

    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.sink.note(call::NONE);
        self.inner.serialize_none()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.sink.note(call::SOME);
        let (sink, start, value) = (self.sink, self.sink.len(), self.within(value));
        let written = self.wrapper(0, |inner| inner.serialize_some(&value))?;
        if sink.is_null_since(start) {
            sink.lose(start, Loss::SomeNull);
        }
        Ok(written)
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.sink.note(call::UNIT);
        self.inner.serialize_unit()
    }

    fn serialize_unit_struct(self, name: &'static str) -> Result<S::Ok, S::Error> {
        self.sink.note(named(call::UNIT_STRUCT, 0, name));
        self.inner.serialize_unit_struct(name)
    }

    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.sink.note(named(call::UNIT_VARIANT, index, name));
        self.inner.serialize_unit_variant(name, index, variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.sink.note(named(call::NEWTYPE_STRUCT, 0, name));
        let value = self.within(value);
        self.wrapper(0, |inner| inner.serialize_newtype_struct(name, &value))
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        self.sink.note(named(call::NEWTYPE_VARIANT, index, name));
        let value = self.within(value);
        self.wrapper(1, |inner| inner.serialize_newtype_variant(name, index, variant, &value))
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.sink.note(call::SEQ);
        self.compound(1, |inner| inner.serialize_seq(len))
    }

    fn serialize_tuple(self, len: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.sink.note(call::TUPLE);
        self.compound(1, |inner| inner.serialize_tuple(len))
    }

    fn serialize_tuple_struct(
        self,
        name: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.sink.note(named(call::TUPLE_STRUCT, 0, name));
        self.compound(1, |inner| inner.serialize_tuple_struct(name, len))
    }

    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.sink.note(named(call::TUPLE_VARIANT, index, name));
        self.compound(2, |inner| inner.serialize_tuple_variant(name, index, variant, len))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        self.sink.note(call::MAP);
        self.sink.objects.set(true);
        self.compound(1, |inner| inner.serialize_map(len))
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, len: usize) -> Result<Self::SerializeStruct, S::Error> {
        self.sink.note(named(call::STRUCT, 0, name));
        self.sink.objects.set(true);
        if name.starts_with(PRIVATE) {
            self.sink.raw.set(true);
            // It is no level of its own.
            let compound = self.compound(0, |inner| inner.serialize_struct(name, len))?;
            return Ok(Compound { place: Place::Raw, ..compound });
        }
        self.compound(1, |inner| inner.serialize_struct(name, len))
    }

    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.sink.note(named(call::STRUCT_VARIANT, index, name));
        self.sink.objects.set(true);
        self.compound(2, |inner| inner.serialize_struct_variant(name, index, variant, len))
    }
}

/// An array or an object that is being written.
pub(super) struct Compound<'s, C> {
    inner: C,
    sink: &'s Sink<'s>,
    levels: u32,
    place: Place,
}

impl<'s, C> Compound<'s, C> {
    fn within<'v, T: ?Sized>(&self, value: &'v T) -> Within<'s, 'v, T> {
        Within { value, sink: self.sink, place: self.place }
    }

    fn key<'v, T: ?Sized>(&self, value: &'v T) -> Within<'s, 'v, T> {
        Within { value, sink: self.sink, place: Place::Key }
    }
}

/// What is written element by element.
macro_rules! sequences {
    ($($compound:ident $element:ident,)*) => {$(
        impl<C: $compound> $compound for Compound<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            #[inline]
            fn $element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
                let value = self.within(value);
                self.inner.$element(&value)
            }

            #[inline]
            fn end(self) -> Result<C::Ok, C::Error> {
                self.sink.ascend(self.levels);
                self.inner.end()
            }
        }
    )*};
}

/// What is written field by field.
macro_rules! structs {
    ($($compound:ident,)*) => {$(
        impl<C: $compound> $compound for Compound<'_, C> {
            type Ok = C::Ok;
            type Error = C::Error;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), C::Error> {
                let value = self.within(value);
                self.inner.serialize_field(key, &value)
            }

            fn skip_field(&mut self, key: &'static str) -> Result<(), C::Error> {
                self.inner.skip_field(key)
            }

            #[inline]
            fn end(self) -> Result<C::Ok, C::Error> {
                self.sink.ascend(self.levels);
                self.inner.end()
            }
        }
    )*};
}

sequences! {
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field,
}

structs! {
    SerializeStruct,
    SerializeStructVariant,
}

impl<C: SerializeMap> SerializeMap for Compound<'_, C> {
    type Ok = C::Ok;
    type Error = C::Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), C::Error> {
        let key = self.key(key);
        self.inner.serialize_key(&key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), C::Error> {
        let value = self.within(value);
        self.inner.serialize_value(&value)
    }

    fn serialize_entry<K: Serialize + ?Sized, V: Serialize + ?Sized>(
        &mut self,
        key: &K,
        value: &V,
    ) -> Result<(), C::Error> {
        let (key, value) = (self.key(key), self.within(value));
        self.inner.serialize_entry(&key, &value)
    }

    fn end(self) -> Result<C::Ok, C::Error> {
        self.sink.ascend(self.levels);
        self.inner.end()
    }
}
