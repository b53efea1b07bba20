//! stub
#[derive(clap::Args)] pub struct Options{}
pub fn run(_:&Options,_:&crate::config::Config)->std::process::ExitCode{todo!()}
