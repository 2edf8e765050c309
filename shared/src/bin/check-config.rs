//! Looks at a file of settings without deploying it: `check-config FILE [--function NAME]`.
//!
//! It ends with 0 if all is right, 1 if something is wrong, which it tells line by line, and 2 if it was called wrongly.

use std::process::ExitCode;

use gateway::config::{Function, Variables};

const USAGE: &str = "usage: check-config FILE [--function NAME]
  --function NAME  as that function would start with the variables that are set here: what it needs must be there
                   (token, authorizer, invoke, stream, upload, admin or sweep)";

struct Wish {
    file: String,
    function: Option<Function>,
}

fn main() -> ExitCode {
    let Some(wish) = wish(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    match checked(&wish) {
        Ok(()) => {
            println!("{}: all is right", wish.file);
            ExitCode::SUCCESS
        }
        Err(faults) => {
            for fault in &faults {
                eprintln!("{fault}");
            }
            let number = faults.len();
            eprintln!(
                "{}: {number} {} wrong",
                wish.file,
                if number == 1 { "thing is" } else { "things are" }
            );
            ExitCode::FAILURE
        }
    }
}

fn wish(arguments: impl Iterator<Item = String>) -> Option<Wish> {
    let (mut file, mut function) = (None, None);
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--function" => function = Some(arguments.next()?.parse().ok()?),
            other if other.starts_with('-') || file.is_some() => return None,
            path => file = Some(path.to_owned()),
        }
    }
    Some(Wish { file: file?, function })
}

fn checked(wish: &Wish) -> Result<(), Vec<String>> {
    let text = std::fs::read_to_string(&wish.file);
    let text = text.map_err(|error| vec![format!("{} cannot be read: {error}", wish.file)])?;
    let environment = match wish.function {
        Some(_) => Variables::Process,
        None => Variables::Given(Vec::new()),
    };
    let variables = environment.over_file(&wish.file, &text);
    let variables = variables.map_err(|fault| vec![fault.to_string()])?;
    variables
        .check(wish.function)
        .map_err(|faults| faults.0.iter().map(ToString::to_string).collect())
}
