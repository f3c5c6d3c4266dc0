//! Parse, run, exit code. No logic.

use clap::FromArgMatches;
use kubectl_synxdb::cli::{self, Cli, Color};
use kubectl_synxdb::commands;
use kubectl_synxdb::render::{self, Screen};
use std::process::ExitCode;

fn main() -> ExitCode {
    if let Some(words) = cli::to_complete(std::env::args_os()) {
        commands::complete(Screen::new(Color::Never), words);
        return ExitCode::SUCCESS;
    }
    let parsed = cli::command().try_get_matches().and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(help_or_usage) => {
            let screen = Screen::new(Color::Auto);
            let text = help_or_usage.render();
            let (coloured, plain) = (text.ansi().to_string(), text.to_string());
            if help_or_usage.use_stderr() {
                screen.note(if screen.err.0 { &coloured } else { &plain });
            } else {
                screen.result(if screen.out.0 { &coloured } else { &plain });
            }
            return ExitCode::from(u8::try_from(help_or_usage.exit_code()).unwrap_or(2));
        }
    };
    let screen = Screen::new(cli.global.color);
    render::on_panic(screen);
    let verbosity = cli.global.verbosity;
    render::trace(verbosity);
    match commands::run(cli, screen) {
        Ok(exit) => ExitCode::from(exit.code()),
        Err(error) => {
            screen.note(&render::error::error(&error, screen.err));
            if render::is_traced(verbosity) {
                screen.note(&render::error::sources(&error));
            }
            ExitCode::from(error.exit.code())
        }
    }
}
