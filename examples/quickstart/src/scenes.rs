//! What happens to the agent while its customers ask on.

use std::time::{Duration, Instant};

use bluegreen_core::{Change, Color, Epoch, PhaseName, Routing, Slot, SwitchStrategy};
use tokio::time::{sleep, timeout};

mod experiment;

#[cfg(test)]
pub(crate) use experiment::compare;
pub(crate) use experiment::experiment;

use crate::report::Row;
use crate::stage::{Outcome, PROMPT, Stage, image};

/// How long before and after each event questions are counted for its scene.
const CALM: Duration = Duration::from_millis(500);

/// No scene takes longer.
const LONG: Duration = Duration::from_mins(1);

pub(crate) async fn good_release(stage: &Stage) -> Outcome<Row> {
    let name = begin("1 a good release");
    let tally = stage.questions.scene();
    let (releaser, log) = stage.driver("driver-1");
    sleep(CALM).await;
    let ended = timeout(LONG, Box::pin(releaser.run(image("1.1.0"), &stage.plan()))).await??;
    releaser.operations().resign().await?;
    sleep(CALM).await;
    let (switch, back) = (log.switch(), None);
    expect(name, &ended.to_string(), matches!(ended, bluegreen_core::Outcome::Released))?;
    Ok(Row { name, tally, switch, back, ended: ended.to_string(), must_lose_nothing: true })
}

pub(crate) async fn bad_prompt(stage: &Stage) -> Outcome<Row> {
    let name = begin("2 a bad prompt, refused by the gate");
    let tally = stage.questions.scene();
    let before = stage.cluster.switch().observe().await?.state;
    let (releaser, log) = stage.driver("driver-2");
    sleep(CALM).await;
    let change = Change::default().env("PROMPT", "Say that it is on its way.").version("1.2.0");
    let ended = timeout(LONG, Box::pin(releaser.run(change, &stage.plan()))).await??;
    releaser.operations().resign().await?;
    let after = stage.cluster.switch().observe().await?.state;
    expect(name, "traffic was moved", before == after && log.switch().is_none())?;
    sleep(CALM).await;
    expect(name, &ended.to_string(), is_back(&ended))?;
    let (switch, back) = (None, None);
    Ok(Row { name, tally, switch, back, ended: ended.to_string(), must_lose_nothing: true })
}

pub(crate) async fn pods_killed(stage: &Stage) -> Outcome<Row> {
    let name = begin("3 every new pod killed, watched");
    let tally = stage.questions.scene();
    let (releaser, log) = stage.driver("driver-3");
    let candidate = stage.live().await?.other();
    let plan = stage.plan();
    let fault = async {
        log.phase(PhaseName::Baking).await;
        sleep(CALM).await;
        let switch = stage.cluster.switch();
        let (observed, killed) = (switch.observe().await?, Instant::now());
        let ((), back) = tokio::join!(stage.kill(candidate), switch.watch(&observed));
        back?;
        Ok::<_, bluegreen_core::Error>(killed.elapsed())
    };
    let releasing = Box::pin(releaser.run(image("1.3.0"), &plan));
    let (ended, back) = timeout(LONG, async { tokio::join!(releasing, fault) }).await?;
    let (ended, back) = (ended?, Some(back?));
    releaser.operations().resign().await?;
    stage.cluster.resume_replacing(candidate);
    sleep(CALM).await;
    expect(name, &ended.to_string(), is_back(&ended))?;
    let (switch, ended) = (log.switch(), ended.to_string());
    Ok(Row { name, tally, switch, back, ended, must_lose_nothing: false })
}

pub(crate) async fn driver_dies(stage: &Stage) -> Outcome<Row> {
    let name = begin("4 the driver dies, another goes on");
    let tally = stage.questions.scene();
    let (first, log) = stage.driver("driver-4a");
    let plan = stage.plan();
    let release = Box::pin(first.run(image("1.4.0"), &plan));
    let death = async {
        log.phase(PhaseName::Baking).await;
        sleep(CALM).await;
    };
    // Whichever ends first ends the other: the driver is dropped in mid-bake, and says goodbye
    // to nobody.
    tokio::select! {
        ended = release => return Err(format!("{name}: over too soon: {ended:?}").into()),
        died = timeout(LONG, death) => died?,
    }
    drop(first);
    println!("  !! driver-4a is gone");
    let (second, _) = stage.driver("driver-4b");
    let ended = timeout(LONG, Box::pin(second.resume())).await??;
    second.operations().resign().await?;
    sleep(CALM).await;
    expect(name, &ended.to_string(), matches!(ended, bluegreen_core::Outcome::Released))?;
    let (switch, back) = (log.switch(), None);
    Ok(Row { name, tally, switch, back, ended: ended.to_string(), must_lose_nothing: true })
}

/// Scene 3 once more, as one does it by hand: deploy, wait until ready, switch the selector, and
/// switch it back when somebody notices.
pub(crate) async fn by_hand(stage: &Stage) -> Outcome<Row> {
    let name = begin("5 every new pod killed, by hand");
    let tally = stage.questions.scene();
    let (live, cluster) = (stage.live().await?, &stage.cluster);
    let (candidate, notices) = (live.other(), stage.seconds(10, 3));
    deploy(stage, live, candidate).await?;
    let begun = Instant::now();
    cluster.move_routing(Routing::all(candidate));
    let switch = Some(begun.elapsed());
    sleep(CALM).await;
    let killed = Instant::now();
    stage.kill(candidate).await;
    sleep(notices.saturating_sub(killed.elapsed())).await;
    cluster.move_routing(Routing::all(live));
    let back = Some(killed.elapsed());
    cluster.resume_replacing(candidate);
    sleep(CALM).await;
    let ended = format!("rolled back by somebody who needed {notices:?} to notice (assumed)");
    Ok(Row { name, tally, switch, back, ended, must_lose_nothing: false })
}

/// A release that takes traffic in steps, as long as it does not answer worse than live.
pub(crate) async fn canary(stage: &Stage) -> Outcome<Row> {
    let name = begin("6 a canary: 25, 50, 100 %");
    let tally = stage.questions.scene();
    let (releaser, log) = stage.canary_driver("driver-6");
    let plan = stage.canary();
    let ended = timeout(LONG, Box::pin(releaser.run(image("1.6.0"), &plan))).await??;
    releaser.operations().resign().await?;
    sleep(CALM).await;
    expect(name, &ended.to_string(), matches!(ended, bluegreen_core::Outcome::Released))?;
    let (switch, back) = (log.switch(), None);
    Ok(Row { name, tally, switch, back, ended: ended.to_string(), must_lose_nothing: true })
}

/// A fault that no gate sees, because it takes some work to show.
pub(crate) async fn bad_canary(stage: &Stage) -> Outcome<Row> {
    let name = begin("7 a canary that fails under load");
    let tally = stage.questions.scene();
    let (releaser, log) = stage.canary_driver("driver-7");
    let plan = stage.canary();
    let ended =
        timeout(LONG, Box::pin(releaser.run(image("1.7.0").env("LEAK", "1"), &plan))).await??;
    releaser.operations().resign().await?;
    sleep(CALM).await;
    expect(name, &ended.to_string(), is_back(&ended))?;
    let (switch, back) = (log.switch(), None);
    Ok(Row { name, tally, switch, back, ended: ended.to_string(), must_lose_nothing: false })
}

async fn deploy(stage: &Stage, live: Color, candidate: Color) -> Outcome<()> {
    let (live, slot) = (stage.cluster.slot(live).state().await?, stage.cluster.slot(candidate));
    let change = image("1.5.0").env("PROMPT", PROMPT).resolve(&live.running, "AGENT_VERSION");
    let change = change.map_err(|problems| format!("{problems:?}"))?;
    let epoch: Epoch = slot.state().await?.epoch.next();
    slot.deploy(&change, 2, epoch).await?;
    timeout(LONG, slot.await_ready()).await??;
    Ok(())
}

fn begin(name: &'static str) -> &'static str {
    println!("\n{name}");
    name
}

fn is_back(ended: &bluegreen_core::Outcome) -> bool {
    use bluegreen_core::{Outcome, Reason};
    matches!(ended, Outcome::RolledBack { reason: Reason::Unfit { .. } })
}

fn expect(scene: &str, found: &str, is_so: bool) -> Outcome<()> {
    if is_so { Ok(()) } else { Err(format!("{scene}: did not end as it should: {found}").into()) }
}
