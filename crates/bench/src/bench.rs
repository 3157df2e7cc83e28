//! What all workloads work with.

use tokio::runtime::Handle;

use crate::{
    args::{BenchArgs, WorkloadName},
    machine::Machine,
    report::{Report, Workload},
    server::{Database, Server},
    workload,
};

/// What all workloads work with.
pub(crate) struct Bench<'a> {
    /// What was asked for.
    pub(crate) args: &'a BenchArgs,
    /// The server that is measured.
    pub(crate) server: &'a Server,
    /// The threads of the engine, and of the clients of the limit.
    pub(crate) threads: &'a Handle,
    /// The database that is named.
    pub(crate) url: Option<&'a str>,
}

impl Bench<'_> {
    /// Runs the workloads that are wanted.
    ///
    /// # Errors
    ///
    /// What kept one from being measured.
    pub(crate) async fn run(&self) -> anyhow::Result<Report> {
        let is_private = self.server.pid().is_some();
        let machine = Machine::look(&mut self.server.connect().await?, is_private).await?;
        let mut workloads = Vec::new();
        if self.args.attach {
            workloads.push(workload::attach(self).await?);
            return Ok(Report { machine, workloads });
        }
        if self.args.gates {
            workloads.push(workload::gates(self).await?);
            return Ok(Report { machine, workloads });
        }
        for name in self.args.wanted() {
            workloads.extend(self.workload(*name).await?);
        }
        Ok(Report { machine, workloads })
    }

    async fn workload(&self, name: WorkloadName) -> anyhow::Result<Vec<Workload>> {
        match name {
            WorkloadName::Chain => Ok(vec![workload::chain(self).await?]),
            WorkloadName::Fanout => Ok(vec![workload::fan_out(self).await?]),
            WorkloadName::Single => workload::single(self).await,
            WorkloadName::Light => Ok(vec![workload::light(self).await?]),
            WorkloadName::Map => workload::map(self).await,
            WorkloadName::Sleepers => Ok(vec![workload::sleepers(self).await?]),
            WorkloadName::Schedules => Ok(vec![workload::schedules(self).await?]),
            WorkloadName::Idle => Ok(vec![workload::idle(self).await?]),
            WorkloadName::Processes => workload::processes(self).await,
            WorkloadName::Http => Ok(vec![workload::http(self).await?]),
            WorkloadName::History => workload::history(self).await,
        }
    }

    /// Does something on a database of its own, which is dropped afterwards.
    ///
    /// # Errors
    ///
    /// If that fails, or there is no database to be had.
    pub(crate) async fn on_database<T>(
        &self,
        purpose: &str,
        work: impl AsyncFnOnce(&Database) -> anyhow::Result<T>,
    ) -> anyhow::Result<T> {
        let database = self.server.create_database(purpose).await?;
        let result = Box::pin(work(&database)).await;
        self.server.drop_database(&database.name).await?;
        result
    }

    /// Says how it goes: a bench takes minutes.
    pub(crate) fn say(&self, text: &str) {
        let _ = self;
        eprintln!("{text}");
    }
}
