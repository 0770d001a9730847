//! One look: ask, doubt, fold in, decide.

use bluegreen_core::{
    Color, Finding, Judgement, MetricSource, Result, Routing, Timestamp, Trial, Verdict, Window,
};

use super::Reading;
use super::compare::{Compare, Decision, Levels, Seen};
use super::counts::Counts;
use super::listen::{Listener, Trouble};
use super::memory::{ANCHORED, Each, Memory};

/// What came of a look.
#[derive(Clone, Debug)]
pub(crate) struct Look {
    pub(crate) verdict: Verdict,
    /// What is known, if it may be judged by.
    pub(crate) decision: Option<Decision>,
    pub(crate) summary: String,
    pub(crate) evidence: Vec<Finding>,
    pub(crate) state: Option<Vec<u8>>,
}

impl From<Look> for Judgement {
    fn from(look: Look) -> Self {
        let judgement = Self::new(look.verdict, look.summary).with_evidence(look.evidence);
        match look.state {
            Some(state) => judgement.with_state(state),
            None => judgement,
        }
    }
}

/// Takes one look, and goes on from `state`.
pub(crate) async fn look<C: Compare>(
    compare: &C,
    source: &dyn MetricSource,
    trial: &Trial,
    state: Option<&[u8]>,
    levels: Levels,
    now: Timestamp,
) -> Result<Look> {
    let frame = compare.frame();
    let listener = Listener { source, frame, trial };
    let candidate = trial.candidate.state.color;
    let now = back(now, frame.sampling.lag);
    let known: Option<Memory<C::Test>> = Memory::read(frame.name, state)?;
    let undecided = |trouble: Trouble, state: Option<Vec<u8>>| {
        let summary = format!("{}: {}", frame.metric, trouble.found);
        let finding =
            Finding::new(frame.metric, trouble.wanted, trouble.found).asked(trouble.asked);
        Look {
            verdict: Verdict::Inconclusive,
            decision: None,
            summary,
            evidence: vec![finding],
            state,
        }
    };
    if !gets_traffic(&trial.routing, candidate) {
        let why = [format!("{} without traffic", trial.routing), "traffic to judge by".to_owned()];
        return Ok(undecided(Trouble::new(candidate.as_str(), why), state.map(<[u8]>::to_vec)));
    }
    let memory = match known {
        Some(memory) => go_on(compare, &listener, memory, now, levels).await,
        None => begin(compare, &listener, now).await,
    };
    // With what was known before, the next look asks again.
    let mut memory = match memory {
        Ok(memory) => memory,
        Err(trouble) => return Ok(undecided(trouble, state.map(<[u8]>::to_vec))),
    };
    if let Some(trouble) = in_the_way(&listener, &memory, now) {
        return Ok(undecided(trouble, Some(memory.write(frame.name)?)));
    }
    let alone = is_alone(&trial.routing, candidate);
    let decision = compare.decide(&memory.test, &memory.baseline, alone, levels, now);
    let (verdict, told) = match (&decision.short, decision.within, decision.worse) {
        (Some(_), ..) | (None, false, false) => (Verdict::Inconclusive, "not decided"),
        (None, true, _) => (Verdict::Pass, "within the margin"),
        (None, false, true) => (Verdict::Fail, "worse"),
    };
    if let Some(told) = decision.told {
        memory.told = Some(Reading {
            metric: frame.metric.to_owned(),
            scale: told.scale,
            at: memory.until,
            verdict,
            candidate: told.candidate,
            live: told.live,
        });
    }
    let kept = Some(memory.write(frame.name)?);
    if let Some(why) = &decision.short {
        return Ok(undecided(Trouble::new(asked(&memory, now), why.clone()), kept));
    }
    let summary = format!("{} {told}: {}", frame.metric, decision.found);
    let finding = Finding::new(frame.metric, decision.wanted.clone(), decision.found.clone())
        .asked(asked(&memory, now));
    let evidence = vec![finding];
    Ok(Look { verdict, decision: Some(decision), summary, evidence, state: kept })
}

/// The first look: nothing of the candidate yet, and what live was like until now.
async fn begin<C: Compare>(
    compare: &C,
    listener: &Listener<'_>,
    now: Timestamp,
) -> Result<Memory<C::Test>, Trouble> {
    let candidate = listener.trial.candidate.state.color;
    let before = Window::new(now, compare.frame().sampling.history);
    let (honest, baseline) =
        tokio::join!(listener.is_honest(candidate, now), listener.hear(candidate.other(), before),);
    honest?;
    Ok(Memory::begin(now, listener.trial.routing.clone(), baseline?))
}

/// A later one: whatever has come since the last.
async fn go_on<C: Compare>(
    compare: &C,
    listener: &Listener<'_>,
    mut memory: Memory<C::Test>,
    now: Timestamp,
    levels: Levels,
) -> Result<Memory<C::Test>, Trouble> {
    let routing = &listener.trial.routing;
    let moved = memory.routing != *routing;
    if now < memory.until {
        // Until that time comes again there is nothing to ask for, and what was known then is of a time
        // that has not been yet.
        let lag = compare.frame().sampling.lag;
        let found = format!("a clock that says {}", now.plus(lag));
        let wanted = format!("{}, the last look, or later", memory.until.plus(lag));
        return Err(Trouble::new(asked(&memory, now), [found, wanted]));
    }
    if !moved && now.since(memory.until) < compare.frame().sampling.window {
        return Ok(memory);
    }
    let candidate = listener.trial.candidate.state.color;
    let window = Window::new(now, now.since(memory.anchor));
    // Whoever has lost its traffic may still finish some of it.
    let (told, told_live) =
        tokio::join!(listener.hear(candidate, window), listener.hear(candidate.other(), window),);
    let told = Each { candidate: told?, live: told_live? };
    let since = |slot: Color, told: &Counts, seen: &Counts| {
        let asked = format!("{slot}, {}", listener.frame.metric);
        told.since(seen, listener.frame.needs).map_err(|why| Trouble::new(asked, why))
    };
    let new = since(candidate, &told.candidate, &memory.seen.candidate).and_then(|new| {
        let live = since(candidate.other(), &told.live, &memory.seen.live)?;
        Ok(Each { candidate: new, live })
    });
    let new = match new {
        Ok(new) => new,
        Err(trouble) if now.since(memory.anchor) < ANCHORED => return Err(trouble),
        // What a source has lost it will not find again: what came of this time is left out.
        Err(trouble) => {
            memory.doubt = Some([trouble.found, trouble.wanted]);
            memory.until = now;
            (memory.anchor, memory.seen) = (now, Each::default());
            return Ok(memory);
        }
    };
    if new.candidate.units > 0.0 {
        memory.heard.candidate = now;
    }
    if new.live.units > 0.0 {
        memory.heard.live = now;
    }
    let seen = Seen {
        candidate: &new.candidate,
        live: &new.live,
        baseline: &memory.baseline,
        alone: is_alone(routing, candidate),
        until: now,
    };
    if moved {
        // Nobody can tell what of this came before traffic moved and what came after.
        compare.next_stretch(&mut memory.test);
        memory.routing = routing.clone();
        (memory.heard, memory.doubt) = (Each { candidate: now, live: now }, None);
    } else {
        memory.doubt = compare.surge(&seen).map(|[found, wanted]| {
            [format!("upstream: live itself is in trouble, {found}"), wanted]
        });
        if memory.doubt.is_none() {
            let misfit = |why| Trouble::new(format!("{} until {now}", memory.until), why);
            compare.fold(&mut memory.test, &seen, levels).map_err(misfit)?;
            let mut baseline = memory.baseline.clone();
            baseline.add(&new.live).map_err(misfit)?;
            memory.baseline = baseline;
        }
    }
    memory.until = now;
    if now.since(memory.anchor) >= ANCHORED {
        (memory.anchor, memory.seen) = (now, Each::default());
    } else {
        keep_most(&mut memory.seen.candidate, told.candidate);
        keep_most(&mut memory.seen.live, told.live);
    }
    Ok(memory)
}

/// A count that wavers does not make units new that were seen.
fn keep_most(seen: &mut Counts, told: Counts) {
    if told.units > seen.units {
        *seen = told;
    }
}

/// Why the test may not be judged by now.
fn in_the_way<T>(listener: &Listener<'_>, memory: &Memory<T>, now: Timestamp) -> Option<Trouble> {
    let sampling = listener.frame.sampling;
    let asked = asked(memory, now);
    if let Some(doubt) = &memory.doubt {
        return Some(Trouble::new(asked, doubt.clone()));
    }
    let candidate = listener.trial.candidate.state.color;
    let mut slots = vec![("the candidate", memory.heard.candidate)];
    if !is_alone(&listener.trial.routing, candidate) {
        slots.push(("live", memory.heard.live));
    }
    for (slot, heard) in slots {
        let silent = now.since(heard);
        if silent > sampling.stale {
            let silent =
                humantime::format_duration(std::time::Duration::from_secs(silent.as_secs()));
            let found = format!("no units of {slot} for {silent}");
            let wanted = format!("some every {}", humantime::format_duration(sampling.stale));
            return Some(Trouble::new(asked, [found, wanted]));
        }
    }
    None
}

fn asked<T>(memory: &Memory<T>, now: Timestamp) -> String {
    let lasted = std::time::Duration::from_secs(now.since(memory.began).as_secs());
    format!("{}, after {}", memory.routing, humantime::format_duration(lasted))
}

/// Whether anything reaches the candidate: a share, a pin, or a copy.
fn gets_traffic(routing: &Routing, candidate: Color) -> bool {
    routing.reaches(candidate) || routing.mirror.is_some()
}

/// Whether only the candidate has a share.
fn is_alone(routing: &Routing, candidate: Color) -> bool {
    routing.is_whole() && routing.live == candidate
}

fn back(now: Timestamp, by: std::time::Duration) -> Timestamp {
    let millis = u64::try_from(by.as_millis()).unwrap_or(u64::MAX);
    Timestamp::from_unix_millis(now.unix_millis().saturating_sub(millis))
}
