//! Handlers in processes of their own, which are killed and stopped. A worker writes down which request it was given
//! before it answers, to a pipe, which keeps what a killed process has written.

use std::io::Read;
use std::io::Write;
use std::process::Child;
use std::process::Command;
use std::process::ExitCode;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::Mutex;
use std::thread;
use std::thread::JoinHandle;
use std::time::Duration;

use antiphon::Rejection;
use antiphon::RequestContext;

use crate::book::Book;
use crate::book::Id;
use crate::book::lock;
use crate::handlers;
use crate::random::Random;

/// All workers. Clones are the same.
#[derive(Clone)]
pub(crate) struct Workers(Arc<Mutex<Staff>>);

struct Staff {
    url: String,
    book: Arc<Book>,
    workers: Vec<Child>,
    readers: Vec<JoinHandle<()>>,
}

impl Workers {
    pub(crate) fn start(count: usize, url: &str, book: &Arc<Book>) -> Self {
        let (url, book) = (url.to_owned(), Arc::clone(book));
        let mut staff = Staff { url, book, workers: Vec::new(), readers: Vec::new() };
        for _ in 0..count {
            let worker = staff.hire();
            staff.workers.push(worker);
        }
        Self(Arc::new(Mutex::new(staff)))
    }

    /// Kills a worker and puts another in its place, or stops one for a while.
    pub(crate) fn fault(&self, random: &mut Random) {
        let mut staff = lock(&self.0);
        let index = match staff.workers.len() as u64 {
            0 => return,
            count => random.below(count) as usize,
        };
        if random.below(2) == 0 {
            let new = staff.hire();
            let mut old = std::mem::replace(&mut staff.workers[index], new);
            old.kill().unwrap();
            old.wait().unwrap();
        } else {
            let process = staff.workers[index].id();
            signal(process, "STOP");
            let time = Duration::from_millis(100 + random.below(4000));
            let workers = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(time).await;
                workers.go_on();
            });
        }
    }

    /// Lets all workers run.
    pub(crate) fn go_on(&self) {
        for worker in &lock(&self.0).workers {
            signal(worker.id(), "CONT");
        }
    }

    /// Ends all workers, and reads what they have written.
    pub(crate) fn stop(&self) {
        let mut staff = lock(&self.0);
        for mut worker in staff.workers.drain(..) {
            worker.kill().unwrap();
            worker.wait().unwrap();
        }
        let readers: Vec<_> = staff.readers.drain(..).collect();
        drop(staff);
        readers.into_iter().for_each(|reader| reader.join().unwrap());
    }
}

impl Staff {
    fn hire(&mut self) -> Child {
        let mut worker = Command::new(std::env::current_exe().unwrap())
            .args(["--worker", &self.url])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = worker.stdout.take().unwrap();
        let book = Arc::clone(&self.book);
        self.readers.retain(|reader| !reader.is_finished());
        self.readers.push(thread::spawn(move || {
            let mut record = [0; Id::LENGTH];
            while output.read_exact(&mut record).is_ok() {
                Id::read(&record).into_iter().for_each(|id| book.executed(id));
            }
        }));
        worker
    }
}

/// What a worker is: a handler that writes down each request. Ends with its session.
pub(crate) async fn work(url: &str) -> ExitCode {
    let session = handlers::connect(url).await;
    let handler = |request: Vec<u8>, _: RequestContext| async move {
        let id = Id::read(&request).ok_or_else(|| Rejection::new("no id"))?;
        let mut record = Vec::with_capacity(Id::LENGTH);
        id.put(&mut record);
        // Less than a pipe takes at once, so that it is written as a whole or not at all.
        std::io::stdout().lock().write_all(&record)?;
        std::io::stdout().flush()?;
        handlers::answer(id, request).await
    };
    let registered = session.messaging().register_request_handler(handlers::PATH, handler, &[]);
    let _registration = registered.await.unwrap();
    session.closed().await;
    ExitCode::SUCCESS
}

fn signal(process: u32, name: &str) {
    // It may have ended in this moment.
    let _ = Command::new("kill").args([format!("-{name}"), process.to_string()]).status();
}
