//! The mean of differences with its standard error, by conversations.

use super::distribution::{t_above, t_quantile};

/// A mean of differences with its standard error.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Means {
    /// The mean over all cases.
    pub mean: f64,
    /// Its standard error.
    pub error: f64,
    /// Degrees of freedom of Student's t: one less than there are clusters.
    pub freedom: f64,
}

/// The mean of differences, with the standard error that clusters have: that of the sums of
/// clusters, G/(G−1) being the correction for few of them (Miller, arXiv 2411.00640, appendix A).
///
/// Each cluster is the differences of its cases. With one case in each it is the usual standard
/// error of a mean. `None` with fewer than two clusters.
///
/// ```
/// use bluegreen_validate::paired::stats::means;
///
/// let conversations = [vec![0.0, 0.0, -1.0], vec![1.0, 0.0], vec![0.0, -1.0, 0.0]];
/// let found = means(&conversations).unwrap();
/// let (low, high) = found.interval(0.90);
/// assert!(low < found.mean && found.mean < high);
/// ```
pub fn means<C: AsRef<[f64]>>(clusters: &[C]) -> Option<Means> {
    means_of(clusters.iter().map(AsRef::as_ref))
}

/// The same of clusters that are gone through several times.
pub(in crate::paired) fn means_of<'a>(
    clusters: impl Iterator<Item = &'a [f64]> + Clone,
) -> Option<Means> {
    let clusters = clusters.filter(|cluster| !cluster.is_empty());
    let (cases, count) = clusters
        .clone()
        .fold((0_usize, 0_usize), |(cases, count), cluster| (cases + cluster.len(), count + 1));
    if count < 2 {
        return None;
    }
    let (cases, count) = (cases as f64, count as f64);
    let mean = clusters.clone().flat_map(<[f64]>::iter).sum::<f64>() / cases;
    let squares: f64 =
        clusters.map(|cluster| cluster.iter().map(|value| value - mean).sum::<f64>().powi(2)).sum();
    let error = (count / (count - 1.0) * squares).sqrt() / cases;
    Some(Means { mean, error, freedom: count - 1.0 })
}

impl Means {
    /// Student's t interval. It shrinks to a point when nothing differs, so no verdict rests on
    /// it; [`Sums`](super::Sums) says more.
    pub fn interval(&self, level: f64) -> (f64, f64) {
        let reach = self.error * t_quantile(f64::midpoint(1.0, level), self.freedom);
        (self.mean - reach, self.mean + reach)
    }

    /// Two-sided p value that the mean is not zero (the paired t test); NaN when nothing differs.
    pub fn p_value(&self) -> f64 {
        2.0 * t_above((self.mean / self.error).abs(), self.freedom)
    }
}
