//! Opens the cluster in the folder that is its first argument and keeps its share until its input ends, or it is
//! killed. The second argument is how long the server lingers, in milliseconds. Prints the server's process id and
//! address. The tests use it as "another process".

use std::io::{self, Read, Write};
use std::time::Duration;

use turbocat_postgres::{Cluster, ClusterOptions, DATABASE, Installation};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let root = arguments.next().ok_or("usage: hold FOLDER [LINGER_MS]")?.into();
    let linger_ms = arguments.next().map_or(Ok(2_000), |text| text.parse())?;
    let linger = Duration::from_millis(linger_ms);
    let options = ClusterOptions { root, installation: Installation::find()?, durable: false, linger };
    let cluster = Cluster::open(&options)?;
    writeln!(io::stdout(), "{} {}", cluster.server_pid(), cluster.url(DATABASE))?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
