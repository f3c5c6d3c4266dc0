# formatting and lints, as CI has them
check:
    cargo fmt --all --check && cargo clippy --locked --workspace --all-targets -- -D warnings
    cargo clippy --locked --package kubectl-synxdb --no-default-features -- -D warnings
    scripts/lint-shell

# all tests
test:
    scripts/setup --tests && cargo test --locked

# the README's two lines on a Debian that has Rust, git and nothing else (Debian, root)
fresh:
    tests/fresh-machine lines

# the model-based test on many cases (FIRST: the first seed; UNDOS: undos after each failover, at least), on the released build
soak CASES="10000" FIRST="1" UNDOS="0":
    SYNXDB_MODEL_CASES={{CASES}} SYNXDB_MODEL_START={{FIRST}} SYNXDB_MODEL_UNDOS={{UNDOS}} cargo test --locked --release --test model -- --nocapture

# mutants of the safety core that the unit tests do not notice (`just mutants --file FILE`, `--in-diff FILE`); takes hours
mutants *ARGS:
    scripts/mutants {{ARGS}}

# the end-to-end cases on a real Kubernetes of this machine's own (Debian, root)
e2e:
    SYNXDB_E2E_KUBECONFIG=$(tests/kubernetes/up) cargo test --locked --test e2e

# regenerate what is generated (schemas, completions, manual pages, what the documentation shows)
regen:
    REGENERATE=1 cargo test --locked --lib the_schemas_are
    REGENERATE=1 cargo test --locked --test it -- generated:: documents::the_page documentation::

# record the README's moving picture
picture:
    scripts/picture

# start-up and status beside kubectl, on the practice cluster
bench:
    benches/compare

# licenses, sources and advisories of the dependencies
deny:
    scripts/deny check

# the released binary, for this machine
release:
    cargo build --locked --release

# what is released: archives, packages and krew's manifest, in dist/ (Debian)
dist:
    scripts/setup --dist && scripts/dist

# what is in dist/, looked at, installed by krew, used and removed (Debian, root)
dist-test:
    tests/archives && tests/krew
