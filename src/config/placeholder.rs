//! Telling a key from something that only stands in its place.

use super::LEAST_KEY_LENGTH;

/// What the documents, examples and templates of the world put where a key belongs.
const KNOWN: &[&str] = &[
    "changeme",
    "change-me",
    "change_me",
    "change-this",
    "change_this",
    "generate-strong",
    "generate_strong",
    "replaceme",
    "replace-me",
    "replace_me",
    "placeholder",
    "your-admin",
    "your_admin",
    "your-secret",
    "your_secret",
    "your-secure",
    "your-api",
    "your_api",
];

/// The fewest different characters of a key that may be random; a random key of 32 hexadecimal digits has fewer
/// than 8 once in about 30 million times.
const LEAST_DIFFERENT: usize = 8;

/// Why `key` must not guard a production system; `None` if nothing speaks against it. Never quotes the key.
pub fn weakness(key: &str) -> Option<String> {
    let lower = key.to_ascii_lowercase();
    if key.contains(['<', '>']) || key.starts_with('$') || KNOWN.iter().any(|known| lower.contains(known)) {
        return Some("is a known placeholder".to_owned());
    }
    if key.chars().count() < LEAST_KEY_LENGTH {
        return Some(format!("is shorter than {LEAST_KEY_LENGTH} characters"));
    }
    None
}

/// Whether `key` looks as if nobody rolled dice for it; worth a warning, no proof.
pub fn looks_guessable(key: &str) -> bool {
    let mut different: Vec<char> = key.chars().collect();
    different.sort_unstable();
    different.dedup();
    different.len() < LEAST_DIFFERENT || GUESSABLE.iter().any(|part| key.to_ascii_lowercase().contains(part))
}

/// Runs of letters that people type.
const GUESSABLE: &[&str] = &["0123456789", "1234567890", "abcdefghij", "password", "secret"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_of_the_guide_and_of_habit_are_known() {
        for key in [
            "<GENERATE-STRONG-KEY-32-CHARS-MIN>",
            "GENERATE-STRONG-KEY-32-CHARS-MINIMUM",
            "changeme-changeme-changeme-changeme",
            "Change_Me_please_before_you_deploy_it",
            "${ADMIN_API_KEY}xxxxxxxxxxxxxxxxxxxxxxxx",
        ] {
            assert_eq!(weakness(key).as_deref(), Some("is a known placeholder"), "{key}");
        }
    }

    #[test]
    fn what_people_type_is_warned_of() {
        for key in ["0123456789abcdef0123456789abcdef", &"ab".repeat(20)] {
            assert_eq!(weakness(key), None, "{key}");
            assert!(looks_guessable(key), "{key}");
        }
        assert!(!looks_guessable("q7Vw2LkXz9RbT4mNc8YdF3hJs6GpA1eU"));
    }

    #[test]
    fn thirty_two_characters_are_the_least() {
        let random = "q7Vw2LkXz9RbT4mNc8YdF3hJs6GpA1eU";
        assert_eq!(random.len(), 32);
        assert_eq!(weakness(random), None);
        assert!(weakness(random.strip_suffix("U").unwrap()).unwrap().contains("shorter"));
    }
}
