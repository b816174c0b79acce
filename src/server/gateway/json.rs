//! Reading JSON that decides something: an object that names a key twice is refused, because the two ends of a
//! connection could read two different requests.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::service::Error;

/// Reads one JSON document. Nesting is bounded by the parser (128), and by the domain for what is kept (16).
///
/// # Errors
/// [`Error::Malformed`].
pub(super) fn read(bytes: &[u8]) -> Result<Value, Error> {
    match serde_json::from_slice::<Strict>(bytes) {
        Ok(Strict(value)) => Ok(value),
        Err(error) if error.is_data() => Err(Error::Malformed("an object of it has the same key twice")),
        Err(_) => Err(Error::Malformed("it is no JSON")),
    }
}

struct Strict(Value);

impl<'de> Deserialize<'de> for Strict {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StrictVisitor).map(Self)
    }
}

struct StrictVisitor;

impl<'de> Visitor<'de> for StrictVisitor {
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
        while let Some(Strict(item)) = items.next_element()? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some((key, Strict(member))) = members.next_entry::<String, Strict>()? {
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
        assert_eq!(read(text.as_bytes()).unwrap().to_string(), text);
    }

    #[test]
    fn a_number_is_the_nearest_double_as_it_is_on_grpc() {
        for (text, number) in [("5.3333333333333336e+72", 5.333_333_333_333_333_6e72), ("1e23", 1e23)] {
            assert_eq!(read(text.as_bytes()).unwrap().as_f64().map(f64::to_bits), Some(f64::to_bits(number)));
        }
        // What a record keeps reads back as what was decided on.
        let number = "5.333333333333333e72".parse::<f64>().unwrap();
        for bits in number.to_bits()..number.to_bits() + 1_000 {
            let shown = Value::from(f64::from_bits(bits)).to_string();
            assert_eq!(read(shown.as_bytes()).unwrap().as_f64().map(f64::to_bits), Some(bits), "{shown}");
        }
    }

    #[test]
    fn what_two_readers_could_read_differently_is_refused() {
        for bad in [r#"{"a":1,"a":2}"#, r#"{"x":[{"a":1,"\u0061":2}]}"#] {
            assert!(read(bad.as_bytes()).unwrap_err().to_string().contains("twice"), "{bad}");
        }
        for bad in ["", "{", "{} x", "NaN", "{\"a\":\"\u{1}\"}"] {
            assert!(read(bad.as_bytes()).unwrap_err().to_string().contains("no JSON"), "{bad}");
        }
        assert!(read(&[b'"', 0xff, b'"']).is_err());
        assert!(read("[".repeat(100_000).as_bytes()).is_err());
    }
}
