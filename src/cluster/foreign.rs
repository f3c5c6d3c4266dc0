//! Messages of other programs that code has to distinguish although they are only text. This is the only place that
//! does; for each message, a test makes the real program or library produce it.

/// A message of another program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum KnownMessage {
    /// A kubelet's, about a port to forward to: Go's text of `ECONNREFUSED` (k8s.io/kubelet,
    /// pkg/cri/streaming/portforward). Tested by the end-to-end case `forward::a_kubelet_reports_that_nothing_listens`.
    NothingListens,
    /// An API server's, about a delete whose precondition names another UID (k8s.io/apiserver, storage/interfaces.go,
    /// `Preconditions.Check`). Tested by the end-to-end case `answers_more::to_creations_and_deletions`.
    OtherUid,
    /// hyper-util's, about a host name that no name server knows (client/legacy/connect/http.rs, `ConnectError`).
    /// Tested by `connect::tests`.
    NoSuchHost,
}

impl KnownMessage {
    /// Returns the text.
    fn words(self) -> &'static str {
        match self {
            Self::NothingListens => "connection refused",
            Self::OtherUid => "UID in precondition",
            Self::NoSuchHost => "dns error",
        }
    }

    /// Returns whether a text contains the message.
    pub(super) fn is_in(self, text: &str) -> bool {
        text.contains(self.words())
    }
}
