//! `cd` and `pwd`.

use std::path::{Component, Path, PathBuf};

use super::{fail, flow::file_error, has, options};
use crate::shell::{Flow, Shell};

/// A path without `.` and `..`: they are taken out of the text, as a shell does, not asked of the disk.
pub(crate) fn clean(path: &Path) -> PathBuf {
    let mut result = PathBuf::from("/");
    for part in path.components() {
        match part {
            Component::Normal(name) => result.push(name),
            Component::ParentDir => drop(result.pop()),
            _ => {}
        }
    }
    result
}

pub(super) async fn cd(shell: &Shell, args: &[String]) -> Flow {
    let (_, args) = if args.first().is_some_and(|arg| arg == "-") {
        (Vec::new(), args)
    } else {
        options(shell, "cd", "LPe", args).await?
    };
    let variable = |name: &str| shell.vars.borrow().get(name).map(|value| value.to_string());
    let (target, shown) = match args {
        [] => (variable("HOME"), false),
        [target] if target == "-" => (variable("OLDPWD"), true),
        [target] => (Some(target.clone()), false),
        _ => return fail(shell, 1, "cd: too many arguments").await,
    };
    let Some(target) = target else {
        let name = if shown { "OLDPWD" } else { "HOME" };
        return fail(shell, 1, &format!("cd: {name} not set")).await;
    };
    let old = shell.cwd();
    let path = clean(&old.join(&target));
    match path.metadata() {
        Ok(meta) if meta.is_dir() => {}
        Ok(_) => return fail(shell, 1, &format!("cd: {target}: Not a directory")).await,
        // The root is there, though nobody shows what is in it.
        Err(_) if path == Path::new("/") => {}
        Err(error) => return file_error(shell, "cd", &target, &error).await,
    }
    let new = path.to_string_lossy().into_owned();
    shell.cwd.replace(path);
    shell.assign("OLDPWD", &old.to_string_lossy()).await?;
    shell.assign("PWD", &new).await?;
    if shown {
        shell.put(new + "\n").await?;
    }
    Ok(0)
}

pub(super) async fn pwd(shell: &Shell, args: &[String]) -> Flow {
    let (options, _) = options(shell, "pwd", "LP", args).await?;
    let mut path = shell.cwd();
    if has(&options, 'P')
        && let Ok(real) = path.canonicalize()
    {
        path = real;
    }
    shell.put(format!("{}\n", path.display())).await?;
    Ok(0)
}
