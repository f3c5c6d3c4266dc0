# formatting and lints, as CI has them
check:
    cargo fmt --all --check && cargo clippy --locked --workspace --all-targets -- -D warnings
    cargo clippy --locked --package kubectl-synxdb --no-default-features -- -D warnings
    scripts/lint-shell

# all tests
test:
    scripts/setup --tests && cargo test --locked

# the README's two setup lines on a Debian with only Rust and git (Debian, root)
fresh:
    tests/fresh-machine lines

# the model-based test on many cases (FIRST: the first seed; UNDOS: the minimum number of undos after each failover), on the release build
soak CASES="10000" FIRST="1" UNDOS="0":
    SYNXDB_MODEL_CASES={{CASES}} SYNXDB_MODEL_START={{FIRST}} SYNXDB_MODEL_UNDOS={{UNDOS}} cargo test --locked --release --test model -- --nocapture

# mutants of the safety core that the unit tests miss (`just mutants --file FILE`, `--in-diff FILE`); takes hours
mutants *ARGS:
    scripts/mutants {{ARGS}}

# the end-to-end cases on a real Kubernetes on this machine (Debian, root)
e2e:
    SYNXDB_E2E_KUBECONFIG=$(tests/kubernetes/up) cargo test --locked --test e2e

# regenerate schemas, completions, manual pages, and the output in the documentation
regen:
    REGENERATE=1 cargo test --locked --lib the_schemas_are
    REGENERATE=1 cargo test --locked --test it -- generated:: documents::the_page documentation::

# record the README's animated screenshot
picture:
    scripts/picture

# startup and status side by side with kubectl, on the practice cluster
bench:
    benches/compare

# licenses, sources and advisories of the dependencies
deny:
    scripts/deny check

# the release binary, for this machine
release:
    cargo build --locked --release

# the release: archives, packages and krew's manifest, in dist/ (Debian)
dist:
    scripts/setup --dist && scripts/dist

# check dist/, install it with krew, use it and remove it (Debian, root)
dist-test:
    tests/archives && tests/krew
