//! The command line: arguments, and one file per subcommand.
//!
//! Human output by default, `--json` where a script may ask; errors go to standard error with a hint.
//! Exit codes: 0 fine, 1 refused or failed, 2 wrong usage.

mod check;
mod client;
mod compile;
mod config;
mod demo;
mod engine;
mod out;
mod plan;
/// What a plugin's author runs.
pub mod plugin;
mod request;
mod route;
mod serve;
mod tasks;
mod usage;
/// Runs of workflows.
mod workflow;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

use jackfield_core::config::Config;

/// The whole command line.
#[derive(Parser)]
#[command(name = "jackfield", version, about, max_term_width = 100, propagate_version = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the gateway
    Serve(serve::ServeArgs),
    /// See it work in ten seconds: a real server, real requests, no key needed
    Demo(demo::DemoArgs),
    /// Tell every fault of the configuration and the plugins at once
    Check(check::CheckArgs),
    /// Explain where a request would go and why; no provider is called
    Route(route::RouteArgs),
    /// The configuration's schema, and what took effect
    #[command(subcommand)]
    Config(config::ConfigCommand),
    /// What was spent, by whom and on what
    Usage(usage::UsageArgs),
    /// Make, look at and try plugins
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Look at workflows, and run them through a running gateway
    #[command(subcommand)]
    Workflow(WorkflowCommand),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: clap_complete::Shell,
    },
    /// Compile one component under limits: what the gateway runs as its child
    #[command(hide = true)]
    CompilePlugin(compile::CompileArgs),
}

#[derive(Subcommand)]
enum PluginCommand {
    /// Build a plugin's folder into a component
    Build(plugin::build::BuildArgs),
    /// Tell what a component is, what it wants, and whether this host can load it
    Check(plugin::check::CheckArgs),
    /// Every file of the configured plugin folder, and what became of it
    List(plugin::list::ListArgs),
    /// Begin a plugin: a folder that builds and passes its cases
    New(plugin::new::NewArgs),
    /// Ask a router about one request, in the gateway's sandbox and limits
    Run(plugin::run::RunArgs),
    /// Run a plugin's own cases, in the gateway's sandbox and limits
    Test(plugin::test::TestArgs),
}

#[derive(Subcommand)]
enum WorkflowCommand {
    /// List the configuration's workflows
    List(workflow::list::ListArgs),
    /// Go on with a run that broke off; what was paid for is not paid for again
    Resume(workflow::resume::ResumeArgs),
    /// Run a workflow and print what it gives
    Run(workflow::run::RunArgs),
    /// Show a workflow's steps in the order in which they can run
    Show(workflow::show::ShowArgs),
}

/// Which configuration file to use.
#[derive(clap::Args, Clone, Debug)]
struct ConfigArg {
    /// The configuration [default: ./jackfield.yaml, else ./config/jackfield.yaml, else built in]
    #[arg(long, short, value_name = "FILE")]
    config: Option<PathBuf>,
}

/// Why a command failed: what to print, whole. The exit code is 1.
struct Failed(String);

type Outcome = Result<(), Failed>;

impl<E: std::error::Error> From<E> for Failed {
    fn from(error: E) -> Self {
        let mut text = error.to_string();
        let mut at: Option<&dyn std::error::Error> = error.source();
        while let Some(cause) = at {
            text.push_str(&format!(": {cause}"));
            at = cause.source();
        }
        Self(format!("error: {text}"))
    }
}

impl ConfigArg {
    /// Loads it; every fault becomes one report.
    fn load(&self) -> Result<Config, Failed> {
        Config::load(self.config.as_deref()).map_err(|report| Failed(out::report(&report)))
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(args) => serve::run(&args),
        Command::Demo(args) => demo::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Route(args) => route::run(&args),
        Command::Config(command) => config::run(&command),
        Command::Usage(args) => usage::run(&args),
        Command::Plugin(command) => plugin_command(&command),
        Command::Workflow(WorkflowCommand::List(args)) => workflow::list::run(&args),
        Command::Workflow(WorkflowCommand::Show(args)) => workflow::show::run(&args),
        Command::Workflow(WorkflowCommand::Resume(args)) => workflow::resume::run(&args),
        Command::Workflow(WorkflowCommand::Run(args)) => workflow::run::run(&args),
        Command::CompilePlugin(args) => return compile::run(&args),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "jackfield", &mut script);
            out::line(&String::from_utf8_lossy(&script).trim_end())
        }
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failed(text)) => {
            out::error(&text);
            ExitCode::FAILURE
        }
    }
}

fn plugin_command(command: &PluginCommand) -> Outcome {
    match command {
        PluginCommand::Build(args) => out::line(&plugin::build::build(args)?),
        PluginCommand::Check(args) => plugin::check::run(args),
        PluginCommand::List(args) => plugin::list::run(args),
        PluginCommand::New(args) => plugin::new::run(args),
        PluginCommand::Run(args) => plugin::run::run(args),
        PluginCommand::Test(args) => plugin::test::run(args),
    }
}

/// A runtime for a command. One thread for commands that wait, all of them for the server.
fn runtime(serving: bool) -> Result<tokio::runtime::Runtime, Failed> {
    let mut builder = match serving {
        true => tokio::runtime::Builder::new_multi_thread(),
        false => tokio::runtime::Builder::new_current_thread(),
    };
    Ok(builder.enable_all().build()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
