//! PostgreSQL: the programs that tests and the demo start servers of.

use crate::setup::{as_root, install_debian_packages, succeeds};
use anyhow::{Context, Result};
use std::path::Path;
use taskhost_test_postgres::Programs;

const DEBIAN_PACKAGE: &str = "postgresql";

/// What Debian's package is told while it is installed: that nobody wants a server of the system, which it would
/// make and start on PostgreSQL's usual port.
const WITHOUT_SERVER: &str = r"
set -e
mkdir -p /etc/postgresql-common/createcluster.d
echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.d/taskhost-setup.conf
";
/// Taken away again, so that a later installation does what Debian's does.
const AS_BEFORE: &str = r"
rm -f /etc/postgresql-common/createcluster.d/taskhost-setup.conf
rmdir -p --ignore-fail-on-non-empty /etc/postgresql-common/createcluster.d
";

/// Finds them, or installs Debian's package, and says which they are.
pub fn prepare() -> Result<Programs> {
    let programs = match Programs::find() {
        Ok(programs) => programs,
        Err(_) => install()?,
    };
    println!("boards in PostgreSQL are tried with {}", programs.version()?);
    Ok(programs)
}

fn install() -> Result<Programs> {
    if Path::new("/etc/debian_version").exists() {
        println!(
            "installing Debian's `{DEBIAN_PACKAGE}`; no server of the system is made nor started \
             (`pg_createcluster` makes one)"
        );
        let told = succeeds(as_root("sh").args(["-c", WITHOUT_SERVER]));
        if told {
            install_debian_packages(&[DEBIAN_PACKAGE]);
        }
        succeeds(as_root("sh").args(["-c", AS_BEFORE]));
    }
    Programs::find().context(
        "no PostgreSQL server could be installed: install one yourself, 15 or newer (Debian: `apt-get install \
         postgresql`)",
    )
}
