//! Reading JSON that decides something: an object that names a key twice is refused, because the two ends of a
//! connection could read two different requests.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::service::Error;

/// Values of a JSON document: as many as the largest accepted messages have, with room. Each takes more memory than
/// the two bytes it may be written with.
pub const MAX_VALUES: usize = 400_000;

/// Nesting of a JSON document, which is the parser's own bound; what is kept may be nested 16 deep.
pub const MAX_DEPTH: usize = 127;

/// Reads one JSON document.
///
/// # Errors
/// [`Error::Malformed`].
pub fn parse(bytes: &[u8]) -> Result<Value, Error> {
    let left = Cell::new(MAX_VALUES);
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let read = Strict(&left).deserialize(&mut reader).and_then(|value| reader.end().map(|()| value));
    match read {
        Ok(value) => Ok(value),
        Err(_) if left.get() == 0 => Err(Error::Malformed("it holds more values than any accepted one")),
        Err(error) if error.is_data() => Err(Error::Malformed("an object of it has the same key twice")),
        Err(_) => Err(Error::Malformed("it is no JSON")),
    }
}

/// Reads a value, counting down what may still come.
#[derive(Clone, Copy)]
struct Strict<'a>(&'a Cell<usize>);

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        let Some(left) = self.0.get().checked_sub(1) else {
            return Err(D::Error::custom("too many values"));
        };
        self.0.set(left);
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Value, E> {
        Ok(flag.into())
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_f64<E>(self, number: f64) -> Result<Value, E> {
        Ok(number.into())
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_string<E>(self, text: String) -> Result<Value, E> {
        Ok(text.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(self)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = members.next_key::<String>()? {
            let member = members.next_value_seed(self)?;
            if object.insert(key, member).is_some() {
                return Err(A::Error::custom("the same key twice"));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_reads_as_it_is() {
        let text = r#"{"a":[1,-2,0.5,null,true,"ü"],"b":{"a":{}}}"#;
        assert_eq!(parse(text.as_bytes()).unwrap().to_string(), text);
    }

    #[test]
    fn a_number_is_the_nearest_double_as_it_is_on_grpc() {
        for (text, number) in [("5.3333333333333336e+72", 5.333_333_333_333_333_6e72), ("1e23", 1e23)] {
            assert_eq!(
                parse(text.as_bytes()).unwrap().as_f64().map(f64::to_bits),
                Some(f64::to_bits(number))
            );
        }
        // What a record keeps reads back as what was decided on.
        let number = "5.333333333333333e72".parse::<f64>().unwrap();
        for bits in number.to_bits()..number.to_bits() + 1_000 {
            let shown = Value::from(f64::from_bits(bits)).to_string();
            assert_eq!(parse(shown.as_bytes()).unwrap().as_f64().map(f64::to_bits), Some(bits), "{shown}");
        }
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        for bad in [r#"{"a":1,"a":2}"#, r#"{"x":[{"a":1,"\u0061":2}]}"#] {
            assert!(parse(bad.as_bytes()).unwrap_err().to_string().contains("twice"), "{bad}");
        }
        for bad in ["", "{", "{} x", "NaN", "{\"a\":\"\u{1}\"}"] {
            assert!(parse(bad.as_bytes()).unwrap_err().to_string().contains("no JSON"), "{bad}");
        }
        assert!(parse(&[b'"', 0xff, b'"']).is_err());
        assert!(parse("[".repeat(100_000).as_bytes()).is_err());
    }

    #[test]
    fn values_and_nesting_are_bounded() {
        let list = |values: usize| format!("[{}0]", "0,".repeat(values - 2));
        assert!(parse(list(MAX_VALUES).as_bytes()).is_ok());
        let error = parse(list(MAX_VALUES + 1).as_bytes()).unwrap_err();
        assert!(error.to_string().contains("more values"), "{error}");
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert!(parse(nested(MAX_DEPTH + 1).as_bytes()).is_err());
    }
}
