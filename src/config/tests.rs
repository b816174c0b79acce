use std::collections::BTreeMap;

use super::*;
use crate::rate_limit::OnError;
use crate::rate_limit::storage::Storage;

const STRONG: &str = "q7Vw2LkXz9RbT4mNc8YdF3hJs6GpA1eU";

fn load(program: &Program, pairs: &[(&str, &str)]) -> Result<Config, Vec<Fault>> {
    let pairs: BTreeMap<_, _> = pairs.iter().map(|(n, v)| (n.to_string(), v.to_string())).collect();
    Config::load(program, |name| pairs.get(name).cloned(), &Flags::new())
}

fn serve(pairs: &[(&str, &str)]) -> Result<Config, Vec<Fault>> {
    load(&Program::Serve, pairs)
}

fn names(faults: &[Fault]) -> Vec<&str> {
    faults.iter().map(|fault| fault.setting.as_str()).collect()
}

#[test]
fn the_defaults_are_whole() {
    let config = serve(&[("HOST", "127.0.0.1")]).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8000");
    assert_eq!(config.database, Database::Sqlite("agentguard.db".into()));
    assert_eq!(config.pool.max_connections, 30);
    assert_eq!(config.request_timeout, Duration::from_secs(30));
    assert_eq!(config.max_request_size, 10_485_760);
    assert_eq!(config.max_enforce_size, 262_144);
    assert_eq!(config.audit_mode, AuditMode::Durable);
    assert_eq!(config.decision_detail, DecisionDetail::Rule);
    assert!(config.audit_redact_keys.contains(&"apikey".to_owned()));
    assert!(config.admin_keys.is_empty() && config.warnings.is_empty());
}

#[test]
fn every_setting_of_the_table_is_read_and_checked() {
    for setting in setting::all() {
        let bad = if setting.kind.is_secret() { "has a blank" } else { "\u{fffd} nonsense" };
        let mut pairs = vec![("ADMIN_API_KEY", STRONG)];
        pairs.retain(|(name, _)| *name != setting.name);
        pairs.push((setting.name, bad));
        let faults = serve(&pairs).unwrap_err();
        assert!(names(&faults).contains(&setting.name), "{}: {faults:?}", setting.name);
        let shown = faults.iter().map(ToString::to_string).collect::<String>();
        assert_eq!(shown.contains("nonsense"), !setting.kind.is_secret(), "{shown}");
        assert!(!shown.contains("blank") && !shown.contains('\n'), "{shown}");
    }
}

#[test]
fn all_faults_come_at_once_in_the_order_of_the_table() {
    let faults = serve(&[
        ("LOG_LEVEL", "loud"),
        ("PORT", "65536"),
        ("DATABASE_URL", "mysql://x"),
        ("REQUEST_TIMEOUT", "soon"),
        ("ADMIN_API_KEY", "short"),
    ])
    .unwrap_err();
    assert_eq!(names(&faults), ["PORT", "REQUEST_TIMEOUT", "DATABASE_URL", "ADMIN_API_KEY", "LOG_LEVEL"]);
    assert_eq!(
        faults[0].to_string(),
        "PORT: `65536` is not accepted; accepted: a whole number from 0 to 65535"
    );
}

#[test]
fn bounds_hold_at_n_and_n_plus_one() {
    let base = |name, value| serve(&[("ADMIN_API_KEY", STRONG), (name, value)]);
    assert!(base("MAX_ENFORCE_SIZE", "4MiB").is_ok() && base("MAX_ENFORCE_SIZE", "4194305").is_err());
    assert!(base("REQUEST_TIMEOUT", "100ms").is_ok() && base("REQUEST_TIMEOUT", "99ms").is_err());
    assert!(base("DATABASE_POOL_SIZE", "1000").is_ok() && base("DATABASE_POOL_SIZE", "1001").is_err());
}

#[test]
fn production_needs_a_strong_admin_key() {
    let beyond = |key: &str| serve(&[("HOST", "0.0.0.0"), ("ADMIN_API_KEY", key)]);
    let postgres = |key: &str| {
        serve(&[("HOST", "127.0.0.1"), ("DATABASE_URL", "postgresql://a@b/c"), ("ADMIN_API_KEY", key)])
    };
    for key in ["", "tiny!", "<GENERATE-STRONG-KEY-32-CHARS-MIN>", &"a".repeat(31), "${ADMIN_API_KEY}"] {
        assert_eq!(names(&beyond(key).unwrap_err()), ["ADMIN_API_KEY"], "{key}");
        assert_eq!(names(&postgres(key).unwrap_err()), ["ADMIN_API_KEY"], "{key}");
        if !key.is_empty() {
            assert!(!beyond(key).unwrap_err()[0].to_string().contains(key), "the key is shown");
        }
    }
    let guessable = beyond(&"a".repeat(32)).unwrap();
    assert!(guessable.warnings.iter().any(|line| line.contains("guessable")));
    assert!(beyond(STRONG).is_ok() && postgres(STRONG).is_ok());
    assert!(serve(&[("HOST", "127.0.0.1"), ("ADMIN_API_KEY", "short")]).is_ok());
    let mapped = [("HOST", "::ffff:127.0.0.1"), ("ADMIN_API_KEY", "short")];
    assert!(serve(&mapped).is_ok(), "a mapped loopback address is loopback");
}

#[test]
fn two_admin_keys_may_be_given_while_rotating() {
    let other = STRONG.to_lowercase();
    let keys = |text: &str| serve(&[("ADMIN_API_KEY", text)]).map(|config| config.admin_keys.len());
    assert_eq!(keys(&format!("{STRONG}, {other}")), Ok(2));
    assert!(keys(&format!("{STRONG},short")).is_err(), "each must be strong");
    assert!(keys(&format!("{STRONG},{STRONG}")).is_err());
    assert!(keys(&format!("{STRONG},{other},x")).is_err());
    assert!(keys(&format!("{STRONG},")).is_err());
}

#[test]
fn an_empty_variable_counts_as_unset() {
    let config = serve(&[("ADMIN_API_KEY", STRONG), ("PORT", ""), ("KEY_PEPPER", " ")]).unwrap();
    assert_eq!((config.listen.port(), config.key_pepper), (8000, None));
}

#[test]
fn a_flag_wins_over_the_variable() {
    let flags = Flags::from([("PORT".to_owned(), "9000".to_owned())]);
    let env = |name: &str| match name {
        "PORT" => Some("8001".to_owned()),
        "HOST" => Some("localhost".to_owned()),
        _ => None,
    };
    assert_eq!(Config::load(&Program::Serve, env, &flags).unwrap().listen.port(), 9000);
}

#[test]
fn a_secret_is_read_from_its_file() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("key");
    std::fs::write(&path, format!("{STRONG}\n")).unwrap();
    let file = path.to_str().unwrap();
    let config = serve(&[("ADMIN_API_KEY_FILE", file)]).unwrap();
    assert_eq!(config.admin_keys, [Secret::new(STRONG)]);
    let both = serve(&[("ADMIN_API_KEY_FILE", file), ("ADMIN_API_KEY", STRONG)]).unwrap_err();
    assert_eq!(both[0].setting, "ADMIN_API_KEY_FILE");
    let missing =
        serve(&[("KEY_PEPPER_FILE", "/nonexistent/pepper"), ("ADMIN_API_KEY", STRONG)]).unwrap_err();
    assert_eq!(names(&missing), ["KEY_PEPPER_FILE"]);
    std::fs::write(&path, vec![b'x'; 65_537]).unwrap();
    assert!(serve(&[("ADMIN_API_KEY_FILE", file)]).is_err());
}

#[test]
fn a_database_in_memory_is_refused() {
    for url in
        ["sqlite://", "sqlite://:memory:", "sqlite::memory:", "sqlite://a.db?mode=memory", "agentguard.db"]
    {
        let faults = serve(&[("HOST", "127.0.0.1"), ("DATABASE_URL", url)]).unwrap_err();
        assert_eq!(names(&faults), ["DATABASE_URL"], "{url}");
    }
    let config = serve(&[("HOST", "127.0.0.1"), ("DATABASE_URL", "sqlite:///var/lib/a.db")]).unwrap();
    assert_eq!(config.database, Database::Sqlite("/var/lib/a.db".into()));
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    let base = |pairs: &[(&str, &str)]| {
        let mut all = vec![("HOST", "127.0.0.1")];
        all.extend_from_slice(pairs);
        serve(&all).unwrap_err()
    };
    assert_eq!(
        names(&base(&[("MAX_REQUEST_SIZE", "65536"), ("MAX_ENFORCE_SIZE", "65537")])),
        ["MAX_ENFORCE_SIZE"]
    );
    assert_eq!(
        names(&base(&[("POLICY_REFRESH_INTERVAL", "5"), ("MAX_POLICY_STALENESS", "9")])),
        ["MAX_POLICY_STALENESS"]
    );
    assert_eq!(names(&base(&[("DATABASE_DIRECT_URL", "postgresql://a@b/c")])), ["DATABASE_DIRECT_URL"]);
    assert_eq!(names(&base(&[("KEY_PEPPER_PREVIOUS", STRONG)])), ["KEY_PEPPER_PREVIOUS"]);
    assert_eq!(
        names(&base(&[("KEY_PEPPER_PREVIOUS", STRONG), ("KEY_PEPPER", STRONG)])),
        ["KEY_PEPPER_PREVIOUS"]
    );
}

#[test]
fn the_guides_production_file_starts_but_for_the_placeholder_the_proxies_and_an_open_redis() {
    let guide = [
        ("DATABASE_URL", "postgresql://agentguard:PASSWORD@db-host:5432/agentguard"),
        ("DATABASE_POOL_SIZE", "20"),
        ("DATABASE_MAX_OVERFLOW", "10"),
        ("DATABASE_POOL_TIMEOUT", "30"),
        ("DATABASE_POOL_RECYCLE", "3600"),
        ("ADMIN_API_KEY", "<GENERATE-STRONG-KEY-32-CHARS-MIN>"),
        ("HOST", "0.0.0.0"),
        ("PORT", "8000"),
        ("LOG_LEVEL", "WARNING"),
        ("LOG_FORMAT", "json"),
        ("CORS_ORIGINS", "https://dashboard.yourdomain.com,https://api.yourdomain.com"),
        ("RATE_LIMIT_ENABLED", "true"),
        ("RATE_LIMIT_STORAGE_URI", "redis://redis-host:6379/0"),
        ("METRICS_ENABLED", "true"),
        ("METRICS_PATH", "/metrics"),
        ("ENABLE_HTTPS", "true"),
        ("TRUST_PROXY_HEADERS", "true"),
        ("REQUEST_TIMEOUT", "30"),
        ("MAX_REQUEST_SIZE", "10485760"),
    ];
    assert_eq!(
        names(&serve(&guide).unwrap_err()),
        ["TRUSTED_PROXIES", "ADMIN_API_KEY", "RATE_LIMIT_STORAGE_URI"]
    );
}

#[test]
fn limits_are_on_but_for_dev() {
    let limit = |text: &str| text.parse().ok();
    let config = serve(&[("HOST", "127.0.0.1")]).unwrap();
    assert_eq!(config.rate_limit.default, limit("1000/minute"));
    assert_eq!((config.rate_limit.storage, config.rate_limit.on_error), (Storage::Memory, OnError::Local));
    let off = serve(&[("HOST", "127.0.0.1"), ("RATE_LIMIT_ENABLED", "off")]).unwrap();
    assert_eq!((off.rate_limit.default, off.rate_limit.failures), (None, None));
    let dev = Program::Dev { database: "d/agentguard.db".into(), admin_key: Secret::new(STRONG) };
    assert_eq!(load(&dev, &[]).unwrap().rate_limit.default, None);
    let two = [("HOST", "127.0.0.1"), ("RATE_LIMIT_DEFAULT", "100/second;5000/minute burst 500")];
    assert_eq!(serve(&two).unwrap().rate_limit.default, limit("100/second;5000/minute burst 500"));
    let wrong = serve(&[("HOST", "127.0.0.1"), ("RATE_LIMIT_DEFAULT", "5/fortnight")]).unwrap_err();
    assert!(
        wrong[0].to_string().starts_with("RATE_LIMIT_DEFAULT: `5/fortnight` is no limit;"),
        "{}",
        wrong[0]
    );
}

#[test]
fn production_refuses_an_open_redis_unless_it_is_said() {
    let with = |uri: &str, said: &str| {
        serve(&[
            ("ADMIN_API_KEY", STRONG),
            ("RATE_LIMIT_STORAGE_URI", uri),
            ("RATE_LIMIT_REDIS_UNPROTECTED", said),
        ])
    };
    assert_eq!(names(&with("redis://redis:6379/0", "").unwrap_err()), ["RATE_LIMIT_STORAGE_URI"]);
    assert!(with("redis://redis:6379/0", "true").is_ok());
    assert!(with("redis://:hunter2@redis:6379/0", "").is_ok());
    assert!(with("redis://127.0.0.1:6379/0", "").is_ok());
    let fault = with("redis://:hunter2@redis:nowhere", "").unwrap_err().remove(0).to_string();
    assert!(!fault.contains("hunter2"), "{fault}");
    let local = [("HOST", "127.0.0.1"), ("RATE_LIMIT_STORAGE_URI", "redis://redis:6379/0")];
    assert!(serve(&local).is_ok(), "this is no production");
}

#[test]
fn dev_keeps_its_own_database_and_key() {
    let dev = Program::Dev { database: "d/agentguard.db".into(), admin_key: Secret::new(STRONG) };
    let config = load(&dev, &[("DATABASE_URL", "postgresql://prod/db")]).unwrap();
    assert_eq!(config.listen.to_string(), "127.0.0.1:8000");
    assert_eq!(config.database, Database::Sqlite("d/agentguard.db".into()));
    assert_eq!(config.admin_keys, [Secret::new(STRONG)]);
    assert_eq!(config.log.format, LogFormat::Text);
    assert_eq!(load(&dev, &[("ADMIN_API_KEY", "mine")]).unwrap().admin_keys, [Secret::new("mine")]);
}

#[test]
fn migrate_demands_no_key() {
    assert!(load(&Program::Migrate, &[("DATABASE_URL", "postgres://a@b/c")]).is_ok());
}

#[test]
fn a_dotenv_file_stands_behind_the_environment() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join(".env"), "PORT=8001\nHOST=127.0.0.2\n").unwrap();
    let env = with_dotenv(|name| (name == "PORT").then(|| "9000".to_owned()), dir.path()).unwrap();
    assert_eq!(
        (env("PORT"), env("HOST"), env("LOG_LEVEL")),
        (Some("9000".into()), Some("127.0.0.2".into()), None)
    );
    std::fs::write(dir.path().join(".env"), "nonsense\n").unwrap();
    assert!(with_dotenv(|_| None, dir.path()).is_err());
}

#[test]
fn a_loaded_configuration_shows_no_secret() {
    let config = serve(&[
        ("ADMIN_API_KEY", STRONG),
        ("DATABASE_URL", "postgresql://user:hunter2@db/x"),
        ("KEY_PEPPER", "Zk3vQ9tLw7XcR5nB1mH8jF2dS6gYp4Ua"),
    ])
    .unwrap();
    let shown = format!("{config:?} {}", config.database);
    assert!(!shown.contains("hunter2") && !shown.contains(STRONG) && !shown.contains("Zk3vQ9"), "{shown}");
}

#[test]
fn every_flag_and_variable_has_one_name() {
    let mut flags: Vec<String> = setting::all().map(Setting::flag).collect();
    let count = flags.len();
    flags.sort();
    flags.dedup();
    assert_eq!(flags.len(), count);
    assert!(flags.contains(&"database-url-file".to_owned()) && flags.contains(&"port".to_owned()));
}

use super::setting::Setting;
