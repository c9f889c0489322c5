//! Serde's side: a JSON value as a `Deserializer`, and what is inside objects, lists and enums.

use std::borrow::Cow;

use serde::de::value::{BorrowedStrDeserializer, StringDeserializer};
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, VariantAccess, Visitor};
use serde::forward_to_deserialize_any;

use super::error::Error;
use super::number::{self, Number};
use super::text::Text;

/// A value that starts here.
pub(super) struct Value<'a, 'de>(&'a mut Text<'de>);

impl<'a, 'de> Value<'a, 'de> {
    pub(super) fn new(text: &'a mut Text<'de>) -> Self {
        Self(text)
    }
}

impl<'de> Deserializer<'de> for Value<'_, 'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let text = self.0;
        match text.peek() {
            Some(b'n') => text.word("null").and_then(|()| visitor.visit_unit()),
            Some(b't') => text.word("true").and_then(|()| visitor.visit_bool(true)),
            Some(b'f') => text.word("false").and_then(|()| visitor.visit_bool(false)),
            Some(b'"') => match text.string()? {
                Cow::Borrowed(string) => visitor.visit_borrowed_str(string),
                Cow::Owned(string) => visitor.visit_string(string),
            },
            Some(b'-' | b'0'..=b'9') => match number::read(text)? {
                Number::Unsigned(number) => visitor.visit_u64(number),
                Number::Signed(number) => visitor.visit_i64(number),
                Number::Float(number) => visitor.visit_f64(number),
            },
            Some(b'[') => {
                text.skip();
                text.descend()?;
                let mut items = Items { text, count: 0 };
                let value = visitor.visit_seq(&mut items)?;
                items.text.mark(b']', "`]`")?;
                items.text.ascend();
                Ok(value)
            }
            Some(b'{') => {
                text.skip();
                text.descend()?;
                let mut members = Members { text, count: 0, key: Cow::Borrowed("") };
                let value = visitor.visit_map(&mut members)?;
                members.text.mark(b'}', "`}`")?;
                members.text.ascend();
                Ok(value)
            }
            _ => Err(Error::syntax("a value", text.offset())),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.peek() == Some(b'n') {
            self.0.word("null")?;
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    /// `"variant"`, or `{"variant": contents}`.
    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let text = self.0;
        let in_braces = text.peek() == Some(b'{');
        if in_braces {
            text.skip();
            text.descend()?;
        }
        let variant = text.string()?;
        let value = visitor.visit_enum(Variant { text: &mut *text, variant, in_braces })?;
        if in_braces {
            text.mark(b'}', "`}`")?;
            text.ascend();
        }
        Ok(value)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map struct identifier ignored_any
    }
}

/// The rest of a list.
struct Items<'a, 'de> {
    text: &'a mut Text<'de>,
    count: usize,
}

impl<'de> SeqAccess<'de> for Items<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.text.peek() == Some(b']') {
            return Ok(None);
        }
        if self.count > 0 {
            self.text.mark(b',', "`,` or `]`")?;
        }
        let index = self.count;
        self.count += 1;
        seed.deserialize(Value(self.text)).map(Some).map_err(|error| error.inside(index))
    }
}

/// The rest of an object, and the key whose value is next.
struct Members<'a, 'de> {
    text: &'a mut Text<'de>,
    count: usize,
    key: Cow<'de, str>,
}

impl<'de> MapAccess<'de> for Members<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Error> {
        if self.text.peek() == Some(b'}') {
            return Ok(None);
        }
        if self.count > 0 {
            self.text.mark(b',', "`,` or `}`")?;
        }
        self.count += 1;
        self.key = self.text.string()?;
        let key = match &self.key {
            Cow::Borrowed(key) => seed.deserialize(BorrowedStrDeserializer::new(key)),
            Cow::Owned(key) => seed.deserialize(StringDeserializer::new(key.clone())),
        };
        key.map(Some)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        self.text.mark(b':', "`:`")?;
        seed.deserialize(Value(self.text)).map_err(|error| error.inside(&self.key))
    }
}

/// An enum's variant, and its contents if it stands in braces.
struct Variant<'a, 'de> {
    text: &'a mut Text<'de>,
    variant: Cow<'de, str>,
    in_braces: bool,
}

impl<'a, 'de> EnumAccess<'de> for Variant<'a, 'de> {
    type Error = Error;
    type Variant = Contents<'a, 'de>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self::Variant), Error> {
        let variant = seed.deserialize(StringDeserializer::new(self.variant.into_owned()))?;
        Ok((variant, Contents { text: self.text, in_braces: self.in_braces }))
    }
}

/// What a variant holds.
struct Contents<'a, 'de> {
    text: &'a mut Text<'de>,
    in_braces: bool,
}

impl<'a, 'de> Contents<'a, 'de> {
    fn value(self) -> Result<Value<'a, 'de>, Error> {
        if !self.in_braces {
            return Err(serde::de::Error::custom("this variant has contents: write `{\"variant\": …}`"));
        }
        self.text.mark(b':', "`:`")?;
        Ok(Value(self.text))
    }
}

impl<'de> VariantAccess<'de> for Contents<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        if self.in_braces {
            return serde::Deserialize::deserialize(self.value()?);
        }
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.value()?)
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Error> {
        self.value()?.deserialize_any(visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.value()?.deserialize_any(visitor)
    }
}
