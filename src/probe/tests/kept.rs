//! Connections that outlive a run: when they are kept, used again, and found unfit.

use std::net::Shutdown;
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicUsize, Ordering};

use socket2::SockRef;

use super::*;

/// A run that keeps its connection, over the one given.
fn run_keeping(probe: &Probe, kept: Option<Kept>) -> (Status, String, Option<Kept>) {
    run_keeping_for(&PROBER, probe, PATIENT, kept)
}

fn run_keeping_for(
    prober: &Arc<Prober>,
    probe: &Probe,
    timeout: Duration,
    kept: Option<Kept>,
) -> (Status, String, Option<Kept>) {
    let (sender, receiver) = mpsc::channel();
    spawn(prober.clone(), probe.clone(), timeout, (kept, true, false), move |finding| {
        sender.send(finding).unwrap()
    });
    let Finding { observation, kept } = receiver.recv().unwrap();
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

/// Waits until something has happened to the connection that nobody asked for.
fn wait_for_news(kept: &Kept) {
    let socket = SockRef::from(kept);
    while matches!(socket.peek(&mut [std::mem::MaybeUninit::uninit()]),
        Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
    {
        thread::yield_now();
    }
}

#[test]
fn a_kept_connection_is_used_again() {
    let rows: [&'static [&'static str]; 5] = [
        &[OK, OK, OK],
        &["HTTP/1.1 204 No Content\r\n\r\n", OK, OK],
        &["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", OK, OK],
        &["HTTP/1.1 503 Unavailable\r\nContent-Length: 3\r\n\r\nbad", OK, OK],
        &["HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: keep-alive\r\n\r\n", OK, OK],
    ];
    for answers in rows {
        let (address, accepted) = serving(answers);
        let probe = get(&format!("http://{address}/"));
        let (_, output, kept) = run_keeping(&probe, None);
        assert!(kept.is_some(), "{output}");
        let (status, output, kept) = run_keeping(&probe, kept);
        assert_eq!((status, kept.is_some()), (Status::Passing, true), "{output}");
        assert_eq!(run_keeping(&probe, kept).0, Status::Passing);
        assert_eq!(accepted.load(Ordering::SeqCst), 1, "one connection for {answers:?}");
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
        assert!(run_keeping(&get(&format!("http://{address}/")), None).2.is_none(), "{answers:?}");
    }
    let (address, _) = serving(&[OK, OK]);
    let (sender, receiver) = mpsc::channel();
    let probe = get(&format!("http://{address}/"));
    spawn(PROBER.clone(), probe, PATIENT, (None, false, false), move |finding| sender.send(finding).unwrap());
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
    run_keeping(&probe, None);
    assert!(!requests.recv().unwrap().to_ascii_lowercase().contains("connection:"));
    run(probe, PATIENT);
    assert!(requests.recv().unwrap().to_ascii_lowercase().contains("connection: close\r\n"));
}

#[test]
fn an_end_between_runs_costs_a_new_connection_and_nothing_else() {
    // The server ends it while it is idle; says something first; ends it when the next request is there already.
    let rows: [&'static [&'static str]; 3] =
        [&[OK], &["HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", ""], &[OK, "", "never asked"]];
    for (at, answers) in rows.into_iter().enumerate() {
        let (address, accepted) = serving(answers);
        let probe = get(&format!("http://{address}/"));
        let (_, _, kept) = run_keeping(&probe, None);
        let kept = kept.unwrap();
        if at == 0 {
            wait_for_news(&kept);
        }
        let (status, output, _) = run_keeping(&probe, Some(kept));
        assert_eq!(status, Status::Passing, "{output}");
        assert_eq!(accepted.load(Ordering::SeqCst), 2, "{answers:?}");
    }
}

#[test]
fn an_answer_that_nobody_asked_for_is_not_taken_for_one() {
    let (release, released) = mpsc::channel::<()>();
    let released = Arc::new(parking_lot::Mutex::new(released));
    let address = serve(move |mut stream| {
        read_request(&stream);
        stream.write_all(OK.as_bytes()).unwrap();
        if released.lock().try_recv().is_err() {
            stream.write_all(b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n").unwrap();
            let _ = stream.read_to_end(&mut Vec::new());
        }
    });
    let probe = get(&format!("http://{address}/"));
    // The 408 may come along with the answer, and then the connection is not kept in the first place.
    let (_, _, kept) = run_keeping(&probe, None);
    if let Some(kept) = &kept {
        wait_for_news(kept);
    }
    release.send(()).unwrap();
    let (status, output, _) = run_keeping(&probe, kept);
    assert_eq!((status, output), (Status::Passing, format!("HTTP GET http://{address}/: 200 OK Output: ok")));
}

#[test]
fn a_target_that_fell_silent_gets_no_second_chance() {
    let accepted = Arc::new(AtomicUsize::new(0));
    let counted = accepted.clone();
    let address = serve(move |mut stream| {
        counted.fetch_add(1, Ordering::SeqCst);
        read_request(&stream);
        stream.write_all(OK.as_bytes()).unwrap();
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let probe = get(&format!("http://{address}/"));
    let (_, _, kept) = run_keeping(&probe, None);
    let (status, output, kept) = run_keeping_for(&PROBER, &probe, HASTY, kept);
    assert_eq!((status, kept.is_some()), (Status::Critical, false));
    assert!(output.ends_with("(Client.Timeout exceeded while awaiting headers)"), "{output}");
    assert_eq!(accepted.load(Ordering::SeqCst), 1);
}

#[test]
fn a_target_that_takes_no_new_connection_is_found_out_by_one() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        drop(listener);
        while !read_request(&stream).is_empty() {
            stream.write_all(OK.as_bytes()).unwrap();
        }
    });
    let probe = get(&format!("http://{address}/"));
    let (_, _, kept) = run_keeping(&probe, None);
    let (status, output, kept) = run_keeping(&probe, kept);
    assert_eq!((status, kept.is_some()), (Status::Passing, true), "{output}");
    let (status, output) = run(probe, PATIENT);
    assert_eq!(status, Status::Critical);
    assert!(output.ends_with("connect: connection refused"), "{output}");
}

#[test]
fn of_redirects_the_connection_to_the_checks_own_target_is_kept() {
    let (elsewhere, elsewhere_accepted) = serving(&[OK, OK]);
    let answer = format!("HTTP/1.1 302 Found\r\nLocation: http://{elsewhere}/\r\nContent-Length: 0\r\n\r\n");
    let accepted = Arc::new(AtomicUsize::new(0));
    let counted = accepted.clone();
    let address = serve(move |mut stream| {
        counted.fetch_add(1, Ordering::SeqCst);
        while !read_request(&stream).is_empty() {
            stream.write_all(answer.as_bytes()).unwrap();
        }
    });
    let probe = get(&format!("http://{address}/"));
    let (status, output, kept) = run_keeping(&probe, None);
    assert_eq!(status, Status::Passing, "{output}");
    let peer = SockRef::from(kept.as_ref().unwrap()).peer_addr().unwrap().as_socket();
    assert_eq!(peer, Some(address));
    assert_eq!(run_keeping(&probe, kept).0, Status::Passing);
    assert_eq!((accepted.load(Ordering::SeqCst), elsewhere_accepted.load(Ordering::SeqCst)), (1, 2));
}

#[test]
fn encrypted_connections_are_kept_as_well() {
    let (address, certificate, accepted) = serve_tls_kept();
    let trust = Arc::new(Trust::only(certificate));
    let prober = Arc::new(Prober {
        dialer: PROBER.dialer.clone(),
        trust,
        programs: PROBER.programs.clone(),
        may_run_scripts: PROBER.may_run_scripts.clone(),
    });
    let probe = get(&format!("https://{address}/"));
    let mut kept = None;
    for run in 0..5 {
        let (status, output, next) = run_keeping_for(&prober, &probe, PATIENT, kept);
        assert_eq!(status, Status::Passing, "{output}");
        assert!(next.is_some(), "run {run}");
        kept = next;
    }
    assert_eq!(accepted.load(Ordering::SeqCst), 1);
    drop(kept);
    let (_, _, kept) = run_keeping_for(&prober, &probe, PATIENT, None);
    SockRef::from(kept.as_ref().unwrap()).shutdown(Shutdown::Both).unwrap();
    let (status, output, _) = run_keeping_for(&prober, &probe, PATIENT, kept);
    assert_eq!(status, Status::Passing, "{output}");
    assert_eq!(accepted.load(Ordering::SeqCst), 3);
}

/// An HTTPS server that answers until the client leaves.
fn serve_tls_kept() -> (SocketAddr, CertificateDer<'static>, Arc<AtomicUsize>) {
    let (config, certificate) = tls_config();
    let accepted = Arc::new(AtomicUsize::new(0));
    let counted = accepted.clone();
    let address = serve(move |stream| {
        counted.fetch_add(1, Ordering::SeqCst);
        let mut stream = StreamOwned::new(ServerConnection::new(config.clone()).unwrap(), stream);
        while !read_request(&mut stream).is_empty() {
            stream.write_all(OK.as_bytes()).unwrap();
        }
    });
    (address, certificate, accepted)
}

#[test]
fn a_tcp_check_keeps_its_connection_on_request() {
    let address = serve(|mut stream| {
        let _ = stream.read_to_end(&mut Vec::new());
    });
    let (status, _, kept) = run_keeping(&tcp(address), None);
    assert_eq!(status, Status::Passing);
    assert!(kept.is_some_and(|kept| SockRef::from(&kept.as_fd()).peer_addr().is_ok()));
    assert!(run_keeping(&tcp(closed_port()), None).2.is_none());
}
