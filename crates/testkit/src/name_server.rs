//! A name server on loopback that tells what a test wants told.

use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use hickory_proto::op::{Message, Query, ResponseCode};
pub use hickory_proto::rr::RecordType;
use hickory_proto::rr::rdata::{CNAME, SOA};
use hickory_proto::rr::{Name, RData, Record};
use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

/// What it tells of a name.
#[derive(Debug, Clone)]
pub enum Told {
    /// Addresses, with their time to live in seconds.
    Addresses(u32, Vec<IpAddr>),
    /// Another name, with its time to live in seconds.
    Alias(u32, String),
    /// That there is no such name, to be believed for so many seconds.
    NoName(u32),
    /// That it is in trouble.
    Failure,
    /// Nothing at all.
    Silence,
}

/// The server. It stops when dropped.
pub struct NameServer {
    /// Where it listens.
    pub address: SocketAddr,
    book: Arc<Mutex<Book>>,
    serving: JoinHandle<()>,
}

#[derive(Default)]
struct Book {
    told: HashMap<String, Told>,
    asked: Vec<(String, RecordType)>,
}

impl NameServer {
    /// Starts one that knows no name.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start() -> io::Result<Self> {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0))).await
    }

    /// Starts one at an address.
    ///
    /// # Errors
    /// When the address is taken.
    pub async fn start_at(address: SocketAddr) -> io::Result<Self> {
        let socket = UdpSocket::bind(address).await?;
        let (address, book) = (socket.local_addr()?, Arc::<Mutex<Book>>::default());
        let serving = tokio::spawn(serve(socket, book.clone()));
        Ok(Self { address, book, serving })
    }

    /// From now on tells this of `name`.
    pub fn tell(&self, name: &str, told: Told) {
        book(&self.book).told.insert(name.to_owned(), told);
    }

    /// How often it was asked for addresses of `name`.
    pub fn asked(&self, name: &str) -> usize {
        book(&self.book).asked.iter().filter(|(asked, _)| asked == name).count()
    }

    /// Everything it was asked for, in order.
    pub fn all_asked(&self) -> Vec<(String, RecordType)> {
        book(&self.book).asked.clone()
    }
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn book(book: &Mutex<Book>) -> MutexGuard<'_, Book> {
    book.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(socket: UdpSocket, book: Arc<Mutex<Book>>) {
    let mut datagram = [0; 4096];
    while let Ok((length, from)) = socket.recv_from(&mut datagram).await {
        let question = datagram.get(..length).and_then(|bytes| Message::from_vec(bytes).ok());
        let answer = question.and_then(|question| answer(&book, question)).and_then(|answer| answer.to_vec().ok());
        if let Some(answer) = answer {
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

fn answer(shared: &Mutex<Book>, question: Message) -> Option<Message> {
    let query = question.queries.first()?.clone();
    let mut answer = question.into_response();
    answer.edns = None;
    let mut book = book(shared);
    let mut name = text(query.name());
    book.asked.push((name.clone(), query.query_type()));
    let mut records = Vec::new();
    loop {
        match book.told.get(&name).cloned().unwrap_or(Told::NoName(0)) {
            Told::Alias(ttl, target) => {
                let data = RData::CNAME(CNAME(Name::from_ascii(format!("{target}.")).ok()?));
                records.push(Record::from_rdata(Name::from_ascii(format!("{name}.")).ok()?, ttl, data));
                name = target;
            }
            told => {
                tell(&mut answer, &query, &name, told, &mut records)?;
                break;
            }
        }
    }
    answer.insert_answers(records);
    Some(answer)
}

fn tell(answer: &mut Message, query: &Query, name: &str, told: Told, records: &mut Vec<Record>) -> Option<()> {
    let own = Name::from_ascii(format!("{name}.")).ok()?;
    match told {
        Told::Addresses(ttl, addresses) => {
            let datas = addresses.into_iter().map(RData::from);
            let asked = datas.filter(|data| data.record_type() == query.query_type());
            records.extend(asked.map(|data| Record::from_rdata(own.clone(), ttl, data)));
        }
        Told::NoName(ttl) => {
            answer.metadata.response_code = ResponseCode::NXDomain;
            let soa = SOA::new(Name::root(), Name::root(), 1, 60, 60, 60, ttl);
            answer.add_authority(Record::from_rdata(Name::root(), ttl, RData::SOA(soa)));
        }
        Told::Failure => answer.metadata.response_code = ResponseCode::ServFail,
        Told::Silence | Told::Alias(..) => return None,
    }
    Some(())
}

/// In small letters and without the last dot.
fn text(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_lowercase()
}
