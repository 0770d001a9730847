//! What all guards have in common for those who set them.

/// Everything about a guard that is not its test: how it is made and set, and the validator.
macro_rules! guard {
    ($guard:ident, $config:ident) => {
        impl $guard {
            /// A guard from data, on numbers of `source`.
            pub fn new(
                config: $config,
                source: impl ::bluegreen_core::MetricSource + 'static,
            ) -> Self {
                Self { config, source: ::std::sync::Arc::new(source) }
            }

            /// What progress, records and errors call it.
            #[must_use]
            pub fn named(mut self, name: impl Into<String>) -> Self {
                self.config.name = name.into();
                self
            }

            /// Which metric it looks at.
            #[must_use]
            pub fn metric(mut self, metric: ::bluegreen_core::Metric) -> Self {
                self.config.metric = metric.name;
                self.config.query = metric.query;
                self
            }

            /// How numbers are taken.
            #[must_use]
            pub fn sampling(mut self, sampling: $crate::guard::Sampling) -> Self {
                self.config.sampling = sampling;
                self
            }

            /// How many units each slot must have before there is a verdict; 100 unless told otherwise.
            #[must_use]
            pub fn min_units(mut self, units: u64) -> Self {
                self.config.sampling.min_units = units;
                self
            }

            /// The settings.
            pub fn config(&self) -> &$config {
                &self.config
            }

            /// Everything that is wrong with the settings, all at once.
            pub fn problems(&self) -> Vec<::bluegreen_core::Problem> {
                self.config.problems()
            }

            pub(super) async fn take_look(
                &self,
                trial: &::bluegreen_core::Trial,
                state: Option<&[u8]>,
                levels: $crate::guard::compare::Levels,
                now: ::bluegreen_core::Timestamp,
            ) -> ::bluegreen_core::Result<$crate::guard::judge::Look> {
                $crate::guard::judge::look(self, &*self.source, trial, state, levels, now).await
            }
        }

        impl<S: ::bluegreen_core::MetricSource + 'static> From<S> for $guard {
            fn from(source: S) -> Self {
                Self::new($config::default(), source)
            }
        }

        impl ::std::fmt::Debug for $guard {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                f.debug_struct(stringify!($guard))
                    .field("config", &self.config)
                    .finish_non_exhaustive()
            }
        }

        #[::async_trait::async_trait]
        impl ::bluegreen_core::Validator for $guard {
            fn name(&self) -> &str {
                &self.config.name
            }

            fn config_digest(&self) -> ::bluegreen_core::Digest {
                $crate::guard::check::digest(stringify!($guard), &self.config)
            }

            async fn check(
                &self,
                plan: &::bluegreen_core::Plan,
            ) -> ::bluegreen_core::Result<Vec<::bluegreen_core::Problem>> {
                let mut problems = self.problems();
                problems.extend(self.config.against(plan));
                Ok(problems)
            }

            async fn judge(
                &self,
                trial: &::bluegreen_core::Trial,
            ) -> ::bluegreen_core::Result<::bluegreen_core::Judgement> {
                $crate::guard::check::refuse(&self.config.name, self.problems())?;
                let (state, now) = (trial.state.as_deref(), trial.clock.now());
                Ok(self.take_look(trial, state, self.levels(), now).await?.into())
            }
        }
    };
}

pub(crate) use guard;
