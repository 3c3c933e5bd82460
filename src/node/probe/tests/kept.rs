//! Connections that outlive a run: when they are kept, and when they are let go.

use std::net::Shutdown;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};

use socket2::SockRef;

use super::*;

/// A run that keeps its connection.
fn run_keeping(probe: &Probe) -> (Status, String, Option<IdleConnection>) {
    run_keeping_by(&PROBER, probe)
}

fn run_keeping_by(prober: &Arc<Prober>, probe: &Probe) -> (Status, String, Option<IdleConnection>) {
    let (sender, receiver) = mpsc::channel();
    spawn(prober.clone(), probe.clone(), PATIENT, (true, false), move |finding| {
        sender.send(finding).unwrap()
    });
    let Finding { observation, kept, .. } = receiver.recv().unwrap();
    (observation.status, observation.output.to_string(), kept)
}

/// A server that answers each request of a connection with the next of `answers`, and after the last one closes it. An
/// empty answer closes it at once. Tells how many connections it took.
fn serving(answers: &'static [&'static str]) -> (SocketAddr, Arc<AtomicUsize>) {
    let accepted = Arc::new(AtomicUsize::new(0));
    let counted = accepted.clone();
    let address = serve(move |mut stream| {
        counted.fetch_add(1, Ordering::SeqCst);
        for answer in answers {
            if read_request(&stream).is_empty() || answer.is_empty() {
                return;
            }
            stream.write_all(answer.as_bytes()).unwrap();
        }
        stream.shutdown(Shutdown::Write).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    (address, accepted)
}

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[test]
fn a_connection_is_kept_and_each_run_opens_its_own() {
    let rows: [&'static [&'static str]; 5] = [
        &[OK],
        &["HTTP/1.1 204 No Content\r\n\r\n"],
        &["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n"],
        &["HTTP/1.1 503 Unavailable\r\nContent-Length: 3\r\n\r\nbad"],
        &["HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n"],
    ];
    for answers in rows {
        let (address, accepted) = serving(answers);
        let probe = get(&format!("http://{address}/"));
        let (_, output, first) = run_keeping(&probe);
        assert!(first.is_some(), "{output}");
        assert!(run_keeping(&probe).2.is_some());
        assert_eq!(accepted.load(Ordering::SeqCst), 2, "{answers:?}");
    }
}

#[test]
fn a_connection_that_either_side_ends_is_not_kept() {
    let rows: [&'static [&'static str]; 6] = [
        &["HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"],
        &["HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok"],
        &["HTTP/1.1 200 OK\r\n\r\nuntil the end"],
        &["HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\ncut sho"],
        &["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok, and more"],
        &["SSH-2.0-OpenSSH_9.2\r\n"],
    ];
    for answers in rows {
        let (address, _) = serving(answers);
        assert!(run_keeping(&get(&format!("http://{address}/"))).2.is_none(), "{answers:?}");
    }
    let (address, _) = serving(&[OK, OK]);
    let (sender, receiver) = mpsc::channel();
    let probe = get(&format!("http://{address}/"));
    spawn(PROBER.clone(), probe, PATIENT, (false, false), move |finding| sender.send(finding).unwrap());
    assert!(receiver.recv().unwrap().kept.is_none(), "it was not to be kept");
}

#[test]
fn only_a_connection_that_is_not_kept_is_said_to_be_closed() {
    let (sender, requests) = mpsc::channel();
    let address = serve(move |mut stream| {
        sender.send(read_request(&stream)).unwrap();
        stream.write_all(OK.as_bytes()).unwrap();
    });
    let probe = get(&format!("http://{address}/"));
    run_keeping(&probe);
    assert!(!requests.recv().unwrap().to_ascii_lowercase().contains("connection:"));
    run(probe, PATIENT);
    assert!(requests.recv().unwrap().to_ascii_lowercase().contains("connection: close\r\n"));
}

#[test]
fn what_keeps_a_slow_target_is_let_go_and_its_answer_taken() {
    // A server with one thread: it serves a connection until its end.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            while !read_request(&stream).is_empty() {
                if stream.write_all(OK.as_bytes()).is_err() {
                    break;
                }
            }
        }
    });
    let probe = get(&format!("http://{address}/"));
    let held = Arc::new(parking_lot::Mutex::new(run_keeping(&probe).2));
    let in_the_way = held.clone();
    let courtesy = Courtesy::new(HASTY, move || drop(in_the_way.lock().take()));
    let (sender, receiver) = mpsc::channel();
    let told = courtesy.clone();
    runtime::spawn("probe", move || {
        let finding = PROBER.run(Task {
            probe: &probe,
            timeout: PATIENT,
            output_bytes_max: OUTPUT_MAX,
            keep: true,
            linger: false,
            recall: Recall::default(),
            courtesy: Some(courtesy),
        });
        sender.send(finding.observation.status).unwrap();
    })
    .unwrap();
    assert_eq!(receiver.recv().unwrap(), Status::Passing);
    assert!(told.done_at().is_some() && held.lock().is_none());
}

#[test]
fn of_redirects_the_connection_to_the_checks_own_target_is_kept() {
    let (elsewhere, _) = serving(&[OK]);
    let answer = format!("HTTP/1.1 302 Found\r\nLocation: http://{elsewhere}/\r\nContent-Length: 0\r\n\r\n");
    let address = serve(move |mut stream| {
        while !read_request(&stream).is_empty() {
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let probe = get(&format!("http://{address}/"));
    let (status, output, kept) = run_keeping(&probe);
    assert_eq!(status, Status::Passing, "{output}");
    let peer = SockRef::from(kept.as_ref().unwrap()).peer_addr().unwrap().as_socket();
    assert_eq!(peer, Some(address));
}

#[test]
fn encrypted_connections_are_kept_as_well() {
    let (address, certificate) = serve_tls_kept();
    let trust = Arc::new(Trust::only(certificate));
    let prober = Arc::new(Prober {
        dialer: PROBER.dialer.clone(),
        trust,
        programs: PROBER.programs.clone(),
        may_run_scripts: PROBER.may_run_scripts.clone(),
    });
    let probe = get(&format!("https://{address}/"));
    let (status, output, kept) = run_keeping_by(&prober, &probe);
    assert_eq!((status, kept.is_some()), (Status::Passing, true), "{output}");
}

/// An HTTPS server that answers until the client leaves.
fn serve_tls_kept() -> (SocketAddr, CertificateDer<'static>) {
    let (config, certificate) = tls_config();
    let address = serve(move |stream| {
        let mut stream = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream);
        while !read_request(&mut stream).is_empty() {
            stream.write_all(OK.as_bytes()).unwrap();
        }
    });
    (address, certificate)
}

#[test]
fn a_tcp_check_keeps_its_connection_on_request() {
    let address = serve(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let (status, _, kept) = run_keeping(&tcp(address));
    assert_eq!(status, Status::Passing);
    assert!(kept.is_some_and(|kept| SockRef::from(&kept.as_fd()).peer_addr().is_ok()));
    assert!(run_keeping(&tcp(closed_port())).2.is_none());
}
