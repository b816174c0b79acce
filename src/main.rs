//! The `agentguard` program: parse, run, exit code.

fn main() -> std::process::ExitCode {
    agentguard::cli::main(std::env::args_os(), &agentguard::config::process_environment)
}
