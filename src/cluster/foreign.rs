//! What other programs say in words alone: where code has to tell such cases apart, it does so here and nowhere else. A test
//! has the real program or library say each of them.

/// Something that another program says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KnownMessage {
    /// A kubelet, of a port that it was to forward to: Go's words of `ECONNREFUSED` (k8s.io/kubelet,
    /// pkg/cri/streaming/portforward). Tested by the end-to-end case `forward::a_kubelet_reports_that_nothing_listens`.
    NothingListens,
    /// An API server, of a delete whose precondition names another UID (k8s.io/apiserver, storage/interfaces.go,
    /// `Preconditions.Check`). Tested by the end-to-end case `answers_more::to_creations_and_deletions`.
    OtherUid,
    /// hyper-util, of a host name that no name server knows (client/legacy/connect/http.rs, `ConnectError`). Tested by
    /// `connect::tests`.
    NoSuchHost,
}

impl KnownMessage {
    /// The words.
    fn words(self) -> &'static str {
        match self {
            Self::NothingListens => "connection refused",
            Self::OtherUid => "UID in precondition",
            Self::NoSuchHost => "dns error",
        }
    }

    /// Whether a text says it.
    pub(super) fn is_in(self, text: &str) -> bool {
        text.contains(self.words())
    }
}
