//! Releases by the annotations of a canary Ingress, through the provider of Traefik that reads those of
//! ingress-nginx.

mod back;
mod pins;

use std::net::SocketAddr;

use bluegreen_core::plan::Until;
use bluegreen_core::{Color, EvidenceKind, Outcome, PhaseName, Plan, Vantage};
use bluegreen_kube::Cluster;
use bluegreen_tests::{
    Agent, CANARY, INGRESS, Load, Manifests, NGINX, Release, SERVICE, change, define_nginx,
    free_ports, plan, reachable, reaches, seconds, traefik,
};
use k8s_openapi::api::core::v1::Service;
use k8s_openapi::api::networking::v1::Ingress;
use tokio::process::Child;

use crate::share::{self, Answers};

const SHARES: [u32; 3] = [5, 25, 50];
/// How many requests each share is looked at with. With those of the whole they are 20,000.
const EACH: u64 = 6_000;
const WHOLE: u64 = 2_000;

/// What moves all traffic.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Around {
    /// The selector of the live Service.
    Selector,
    /// The path of the Ingress.
    Path,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_ingress_around_a_selector_through_traefik() {
    Box::pin(release(Around::Selector)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_canary_ingress_around_a_path_through_traefik() {
    Box::pin(release(Around::Path)).await;
}

/// 5, 25, 50 and 100 %: no request may fail, and at each step the candidate answers as many of the
/// requests as it is asked to.
async fn release(around: Around) {
    let scene = Scene::of(around).await;
    let load = Load::start(scene.address);
    let mut release = scene.begin(scene.plan(&SHARES, |_| true));
    for (step, percent) in SHARES.into_iter().enumerate() {
        scene.holds(&mut release, step).await;
        let asked = f64::from(percent) / 100.0;
        share::arrives(scene.address, "1.3.0", asked).await;
        let answers = Answers::of(scene.address, EACH).await;
        assert!(answers.failures.is_empty(), "{:?}", answers.failures.first());
        let (low, high) = share::likely(asked, EACH);
        let found = answers.by("1.3.0");
        println!(
            "{around:?}: {found} of {EACH} requests for {percent} %, likely are {low} to {high}"
        );
        assert!((low..=high).contains(&found), "{found} of {EACH}, wanted {low} to {high}");
        scene.two.operations().promote("ann").await.unwrap();
    }
    scene.bakes(&mut release).await;
    scene.answers("1.3.0", WHOLE).await;
    scene.two.operations().promote("ann").await.unwrap();
    let ended = release.await.unwrap().unwrap();
    assert_eq!(ended, Outcome::Released);
    scene.answers("1.3.0", WHOLE).await;
    let tally = load.stop().await;
    println!("{around:?}: {tally}, {} requests", tally.total());
    assert!(tally.failures.is_empty(), "{tally}");
    assert!(tally.answers["1.2.0"] > 0 && tally.answers["1.3.0"] > 0, "{tally}");
    scene.rests_at(Color::Green).await;
}

/// An agent behind a canary, the proxy in front of it, and two that work on it.
struct Scene {
    agent: Agent,
    around: Around,
    address: SocketAddr,
    one: Cluster,
    two: Cluster,
    _programs: Vec<Child>,
}

impl Scene {
    async fn of(around: Around) -> Self {
        let shipped = Manifests::shipped().sized(2, 0);
        let agent = Agent::of(match around {
            Around::Selector => shipped.behind_canary(),
            Around::Path => shipped.behind_canary_of_slots(),
        });
        let agent = agent.await;
        define_nginx(agent.admin()).await;
        let [front] = free_ports();
        let programs = traefik(&agent, front, NGINX);
        let address = SocketAddr::from(([127, 0, 0, 1], front));
        reachable("Traefik", address).await;
        let connect = async |holder| {
            let builder = agent.builder(holder).canary(CANARY);
            let builder = match around {
                Around::Selector => builder,
                Around::Path => builder.ingress(INGRESS),
            };
            builder.connect().await.unwrap()
        };
        let (one, two) = (connect("one").await, connect("two").await);
        Self { agent, around, address, one, two, _programs: programs }
    }

    /// A plan of these shares, in percent, and all of it after them. Some steps last until somebody
    /// ends them, the others for a moment.
    fn plan(&self, shares: &[u32], is_held: impl Fn(usize) -> bool) -> Plan {
        let vantage = Vantage::Url { url: format!("http://{}/", self.address) };
        let mut plan = plan(seconds(120));
        plan.steps = Plan::canary(shares.iter().copied()).steps;
        let mut plan =
            plan.hold(seconds(3)).evidence(EvidenceKind::Answers { vantage, in_a_row: 20 });
        for number in (0..shares.len()).filter(|number| is_held(*number)) {
            plan.steps[number].until = Until::Approved { timeout: seconds(300) };
        }
        plan
    }

    /// A release of 1.3.0 in a task of its own.
    fn begin(&self, plan: Plan) -> Release {
        let releaser = self.one.releaser();
        tokio::spawn(async move { releaser.run(change("1.3.0"), &plan).await })
    }

    /// Returns once a step of the release is held.
    async fn holds(&self, release: &mut Release, step: usize) {
        tokio::select! {
            () = crate::holds(&self.two, step) => {}
            ended = release => panic!("it should hold: {ended:?}"),
        }
    }

    /// Returns once the candidate is live.
    async fn bakes(&self, release: &mut Release) {
        tokio::select! {
            () = reaches(&self.two, PhaseName::Baking) => {}
            ended = release => panic!("it should bake: {ended:?}"),
        }
    }

    /// Asserts that a version answers so many requests, all of them.
    async fn answers(&self, version: &str, count: u64) {
        let answers = Answers::of(self.address, count).await;
        assert_eq!(answers.by(version), count, "{answers:?}");
    }

    /// Asserts that nothing is asked of the canary, and that all traffic is led to a slot.
    async fn rests_at(&self, live: Color) {
        let ingresses = self.agent.api::<Ingress>();
        let canary = ingresses.get(CANARY).await.unwrap();
        let mut marks = canary.metadata.annotations.unwrap_or_default();
        let mark = |name: &str| format!("nginx.ingress.kubernetes.io/{name}");
        assert_eq!(marks.remove(&mark("canary")).as_deref(), Some("true"));
        assert_eq!(marks.remove(&mark("canary-weight")).as_deref(), Some("0"));
        assert_eq!(marks.remove(&mark("canary-weight-total")).as_deref(), Some("1000000"));
        let pin = marks.keys().find(|it| it.starts_with(&mark("")));
        assert_eq!(pin, None, "{marks:?}");
        assert_eq!(self.live().await, live.as_str());
    }

    /// Where all traffic is led, as the objects say.
    async fn live(&self) -> String {
        match self.around {
            Around::Selector => {
                let service = self.agent.api::<Service>().get(SERVICE).await.unwrap();
                service.spec.unwrap().selector.unwrap()["slot"].clone()
            }
            Around::Path => {
                let ingress = self.agent.api::<Ingress>().get(INGRESS).await.unwrap();
                let rule = ingress.spec.unwrap().rules.unwrap().remove(0);
                let service = rule.http.unwrap().paths.remove(0).backend.service.unwrap();
                service.name.strip_prefix(&format!("{SERVICE}-")).unwrap().to_owned()
            }
        }
    }
}
