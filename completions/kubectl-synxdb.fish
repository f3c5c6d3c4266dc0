# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_kubectl_synxdb_global_optspecs
    string join \n sandbox scenario= layout= color= v/v= n/namespace= kubeconfig= context= cluster= user= s/server= token= as= as-uid= as-group= request-timeout= tls-server-name= insecure-skip-tls-verify certificate-authority= client-certificate= client-key= cache-dir= h/help
end

function __fish_kubectl_synxdb_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_kubectl_synxdb_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_kubectl_synxdb_using_subcommand
    set -l cmd (__fish_kubectl_synxdb_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -l scenario -d 'What the practice cluster is like: see `sandbox --list`' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -l layout -d 'File that says what SynxDB calls its namespaces and workloads [env: KUBECTL_SYNXDB_LAYOUT]' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -l color -d 'Colour: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -s v -l v -d 'Show each request to the server from level 6, as kubectl does' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -s n -l namespace -d 'Namespace, or the beginning of one' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -l kubeconfig -d 'Path of the kubeconfig file [env: KUBECONFIG]' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -l context -d 'Context of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -l cluster -d 'Cluster of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -l user -d 'User of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -s s -l server -d 'Address of the API server' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -l token -d 'Bearer token' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -l as -d 'User to impersonate' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -l as-uid -d 'UID to impersonate' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -l request-timeout -d 'How long to wait for one answer of the server: 5s, 1m, 0 for no limit' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -l tls-server-name -d 'Name to check the server\'s certificate against' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -l certificate-authority -d 'File of the certificate authority' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -l client-certificate -d 'File of the client certificate' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -l client-key -d 'File of the client certificate\'s key' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -l cache-dir -d 'Accepted as kubectl\'s; nothing is cached, as no discovery is needed' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -l sandbox -d 'Use a private practice cluster that lives as long as the command'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -s h -l help -d 'Print help'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -f -a "status" -d 'Show whether SynxDB is healthy, and each of its members'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -f -a "failover" -d 'Replace a member\'s pod and its disk, wait until it is back, and prove it'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -f -a "undo" -d 'Put back the volumes that a failover, or an undo, set aside'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -f -a "history" -d 'Show what was failed over and undone, and what is kept'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -f -a "verify" -d 'Ask every component whether it and its data are whole'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -f -a "forward" -d 'Reach a member\'s database through a local port that outlives the pod'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -f -a "rbac" -d 'Print the roles that commands need, for kubectl apply'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -f -a "sandbox" -d 'Keep a practice cluster running, for this plugin and for plain kubectl'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -f -a "layout" -d 'Print the layout: what SynxDB calls its namespaces, workloads and ports'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -f -a "completion" -d 'Print a completion script for a shell'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_needs_command" -f -a "version" -d 'Print the plugin\'s version'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand status" -s o -l output -d 'Form of the output' -r -f -a "table\t'A table a namespace'
wide\t'With UIDs, volumes, reclaim policies and storage classes'
json\t'JSON'
yaml\t'YAML'
name\t'`pod/NAME` a line'"
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand status" -l scenario -d 'What the practice cluster is like: see `sandbox --list`' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand status" -l layout -d 'File that says what SynxDB calls its namespaces and workloads [env: KUBECTL_SYNXDB_LAYOUT]' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand status" -l color -d 'Colour: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand status" -s v -l v -d 'Show each request to the server from level 6, as kubectl does' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand status" -s n -l namespace -d 'Namespace, or the beginning of one' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand status" -l kubeconfig -d 'Path of the kubeconfig file [env: KUBECONFIG]' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand status" -l context -d 'Context of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand status" -l cluster -d 'Cluster of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand status" -l user -d 'User of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand status" -s s -l server -d 'Address of the API server' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand status" -l token -d 'Bearer token' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand status" -l as -d 'User to impersonate' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand status" -l as-uid -d 'UID to impersonate' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand status" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand status" -l request-timeout -d 'How long to wait for one answer of the server: 5s, 1m, 0 for no limit' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand status" -l tls-server-name -d 'Name to check the server\'s certificate against' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand status" -l certificate-authority -d 'File of the certificate authority' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand status" -l client-certificate -d 'File of the client certificate' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand status" -l client-key -d 'File of the client certificate\'s key' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand status" -l cache-dir -d 'Accepted as kubectl\'s; nothing is cached, as no discovery is needed' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand status" -s A -l all-namespaces -d 'Look at the system namespace and every account, whatever the context\'s namespace'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand status" -l sandbox -d 'Use a private practice cluster that lives as long as the command'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand status" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand status" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l pod-uid -d 'UID of the pod to replace: where it has been replaced already, only wait and prove' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l confirm -d 'The pod\'s name, for what is of high risk: what --yes does not answer' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l dry-run -d 'Change nothing: show the plan (client), or have the server check each step (server)' -r -f -a "none\t'It is carried out'
client\t'The plugin alone'
server\t'The API server, step by step'"
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l timeout -d 'How long to wait until it is recovered: 90s, 10m, 1h' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l allow -d 'Override this check, at high risk' -r -f -a "quorum-loss\t'Fewer safekeepers than a majority would be left, or another one may still be fetching WAL'
unretained-volume\t'An old volume cannot be retained: its data is lost with its claim'
unmanaged-pod\t'No controller would re-create the pod'
disruption-budget\t'A PodDisruptionBudget allows no disruption'
foreign-finalizer\t'A finalizer that is not Kubernetes\' own would keep the pod or a claim Terminating'
storage-class\t'Nothing would make a volume for the new claim'
unusable-node\t'No node could take the new pod, or none that takes pods has its volume'
local-layers\t'The pageserver\'s layers are on the disk alone that is replaced'
concurrent-failover\t'Another failover is under way in the namespace, or could not be kept away'"
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l probe -d 'Measure how long this database is away, rather than those that depend on the target; may be repeated' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -s o -l output -d 'Form of the output' -r -f -a "text\t'For people'
json\t'JSON; of a failover, one object a line'
yaml\t'YAML'"
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -s U -l username -d 'Role to log in as [default: the layout\'s]' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l password-secret -d 'Key of a Secret that holds the password; NAME/KEY is in the pod\'s namespace. Without it: PGPASSWORD, ~/.pgpass' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l sslmode -d 'TLS, as psql has it [default: prefer] [env: PGSSLMODE]' -r -f -a "disable\t'None'
allow\t'As prefer'
prefer\t'Where the server offers it; no certificate is checked'
require\t'Always; a certificate is checked only where --sslrootcert is there'
verify-ca\t'Always, and a trusted authority signed the server\'s certificate'
verify-full\t'The same, and the certificate is for this server'"
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l sslrootcert -d 'File of the authorities that verify-ca and verify-full trust, or `system` [default: ~/.postgresql/root.crt] [env: PGSSLROOTCERT]' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l sslservername -d 'Name that verify-full wants in the server\'s certificate [default: POD or POD.NAMESPACE]' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l scenario -d 'What the practice cluster is like: see `sandbox --list`' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l layout -d 'File that says what SynxDB calls its namespaces and workloads [env: KUBECTL_SYNXDB_LAYOUT]' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l color -d 'Colour: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -s v -l v -d 'Show each request to the server from level 6, as kubectl does' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -s n -l namespace -d 'Namespace, or the beginning of one' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l kubeconfig -d 'Path of the kubeconfig file [env: KUBECONFIG]' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l context -d 'Context of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l cluster -d 'Cluster of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l user -d 'User of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -s s -l server -d 'Address of the API server' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l token -d 'Bearer token' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l as -d 'User to impersonate' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l as-uid -d 'UID to impersonate' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l request-timeout -d 'How long to wait for one answer of the server: 5s, 1m, 0 for no limit' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l tls-server-name -d 'Name to check the server\'s certificate against' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l certificate-authority -d 'File of the certificate authority' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l client-certificate -d 'File of the client certificate' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l client-key -d 'File of the client certificate\'s key' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l cache-dir -d 'Accepted as kubectl\'s; nothing is cached, as no discovery is needed' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l keep-pvc -d 'Replace the pod only, and keep its PersistentVolumeClaims'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l anew -d 'Begin anew, where an earlier failover of the pod is unfinished and would be finished, or has just recovered'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -s y -l yes -d 'Answer the ordinary question with yes'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l no-verify -d 'Do not ask the component whether it and its data are back'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l no-probe -d 'Do not measure how long databases are away'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l sandbox -d 'Use a private practice cluster that lives as long as the command'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand failover" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l confirm -d 'The pod\'s name, for what is of high risk: what --yes does not answer' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l dry-run -d 'Change nothing: show the plan (client), or have the server check each step (server)' -r -f -a "none\t'It is carried out'
client\t'The plugin alone'
server\t'The API server, step by step'"
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l timeout -d 'How long to wait until it is recovered: 90s, 10m, 1h' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l allow -d 'Override this check, at high risk' -r -f -a "quorum-loss\t'Fewer safekeepers than a majority would be left, or another one may still be fetching WAL'
unretained-volume\t'An old volume cannot be retained: its data is lost with its claim'
unmanaged-pod\t'No controller would re-create the pod'
disruption-budget\t'A PodDisruptionBudget allows no disruption'
foreign-finalizer\t'A finalizer that is not Kubernetes\' own would keep the pod or a claim Terminating'
storage-class\t'Nothing would make a volume for the new claim'
unusable-node\t'No node could take the new pod, or none that takes pods has its volume'
local-layers\t'The pageserver\'s layers are on the disk alone that is replaced'
concurrent-failover\t'Another failover is under way in the namespace, or could not be kept away'"
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l probe -d 'Measure how long this database is away, rather than those that depend on the target; may be repeated' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -s o -l output -d 'Form of the output' -r -f -a "text\t'For people'
json\t'JSON; of a failover, one object a line'
yaml\t'YAML'"
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -s U -l username -d 'Role to log in as [default: the layout\'s]' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l password-secret -d 'Key of a Secret that holds the password; NAME/KEY is in the pod\'s namespace. Without it: PGPASSWORD, ~/.pgpass' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l sslmode -d 'TLS, as psql has it [default: prefer] [env: PGSSLMODE]' -r -f -a "disable\t'None'
allow\t'As prefer'
prefer\t'Where the server offers it; no certificate is checked'
require\t'Always; a certificate is checked only where --sslrootcert is there'
verify-ca\t'Always, and a trusted authority signed the server\'s certificate'
verify-full\t'The same, and the certificate is for this server'"
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l sslrootcert -d 'File of the authorities that verify-ca and verify-full trust, or `system` [default: ~/.postgresql/root.crt] [env: PGSSLROOTCERT]' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l sslservername -d 'Name that verify-full wants in the server\'s certificate [default: POD or POD.NAMESPACE]' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l scenario -d 'What the practice cluster is like: see `sandbox --list`' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l layout -d 'File that says what SynxDB calls its namespaces and workloads [env: KUBECTL_SYNXDB_LAYOUT]' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l color -d 'Colour: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -s v -l v -d 'Show each request to the server from level 6, as kubectl does' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -s n -l namespace -d 'Namespace, or the beginning of one' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l kubeconfig -d 'Path of the kubeconfig file [env: KUBECONFIG]' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l context -d 'Context of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l cluster -d 'Cluster of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l user -d 'User of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -s s -l server -d 'Address of the API server' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l token -d 'Bearer token' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l as -d 'User to impersonate' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l as-uid -d 'UID to impersonate' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l request-timeout -d 'How long to wait for one answer of the server: 5s, 1m, 0 for no limit' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l tls-server-name -d 'Name to check the server\'s certificate against' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l certificate-authority -d 'File of the certificate authority' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l client-certificate -d 'File of the client certificate' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l client-key -d 'File of the client certificate\'s key' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l cache-dir -d 'Accepted as kubectl\'s; nothing is cached, as no discovery is needed' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -s y -l yes -d 'Answer the ordinary question with yes'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l no-verify -d 'Do not ask the component whether it and its data are back'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l no-probe -d 'Do not measure how long databases are away'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l sandbox -d 'Use a private practice cluster that lives as long as the command'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand undo" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and not __fish_seen_subcommand_from release" -s o -l output -d 'Form of the output' -r -f -a "text\t'For people'
json\t'JSON; of a failover, one object a line'
yaml\t'YAML'"
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and not __fish_seen_subcommand_from release" -l scenario -d 'What the practice cluster is like: see `sandbox --list`' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and not __fish_seen_subcommand_from release" -l layout -d 'File that says what SynxDB calls its namespaces and workloads [env: KUBECTL_SYNXDB_LAYOUT]' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and not __fish_seen_subcommand_from release" -l color -d 'Colour: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and not __fish_seen_subcommand_from release" -s v -l v -d 'Show each request to the server from level 6, as kubectl does' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and not __fish_seen_subcommand_from release" -s n -l namespace -d 'Namespace, or the beginning of one' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and not __fish_seen_subcommand_from release" -l kubeconfig -d 'Path of the kubeconfig file [env: KUBECONFIG]' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and not __fish_seen_subcommand_from release" -l context -d 'Context of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and not __fish_seen_subcommand_from release" -l cluster -d 'Cluster of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and not __fish_seen_subcommand_from release" -l user -d 'User of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and not __fish_seen_subcommand_from release" -s s -l server -d 'Address of the API server' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and not __fish_seen_subcommand_from release" -l token -d 'Bearer token' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and not __fish_seen_subcommand_from release" -l as -d 'User to impersonate' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and not __fish_seen_subcommand_from release" -l as-uid -d 'UID to impersonate' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and not __fish_seen_subcommand_from release" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and not __fish_seen_subcommand_from release" -l request-timeout -d 'How long to wait for one answer of the server: 5s, 1m, 0 for no limit' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and not __fish_seen_subcommand_from release" -l tls-server-name -d 'Name to check the server\'s certificate against' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and not __fish_seen_subcommand_from release" -l certificate-authority -d 'File of the certificate authority' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and not __fish_seen_subcommand_from release" -l client-certificate -d 'File of the client certificate' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and not __fish_seen_subcommand_from release" -l client-key -d 'File of the client certificate\'s key' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and not __fish_seen_subcommand_from release" -l cache-dir -d 'Accepted as kubectl\'s; nothing is cached, as no discovery is needed' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and not __fish_seen_subcommand_from release" -s A -l all-namespaces -d 'Of the system namespace and every account, those that are gone too'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and not __fish_seen_subcommand_from release" -l sandbox -d 'Use a private practice cluster that lives as long as the command'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and not __fish_seen_subcommand_from release" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and not __fish_seen_subcommand_from release" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and not __fish_seen_subcommand_from release" -a "release" -d 'Give back the volumes that an act kept: Kubernetes deletes them and their data'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and __fish_seen_subcommand_from release" -l confirm -d 'The pod\'s name, which is asked for otherwise' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and __fish_seen_subcommand_from release" -s o -l output -d 'Form of the output' -r -f -a "text\t'For people'
json\t'JSON; of a failover, one object a line'
yaml\t'YAML'"
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and __fish_seen_subcommand_from release" -l scenario -d 'What the practice cluster is like: see `sandbox --list`' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and __fish_seen_subcommand_from release" -l layout -d 'File that says what SynxDB calls its namespaces and workloads [env: KUBECTL_SYNXDB_LAYOUT]' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and __fish_seen_subcommand_from release" -l color -d 'Colour: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and __fish_seen_subcommand_from release" -s v -l v -d 'Show each request to the server from level 6, as kubectl does' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and __fish_seen_subcommand_from release" -s n -l namespace -d 'Namespace, or the beginning of one' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and __fish_seen_subcommand_from release" -l kubeconfig -d 'Path of the kubeconfig file [env: KUBECONFIG]' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and __fish_seen_subcommand_from release" -l context -d 'Context of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and __fish_seen_subcommand_from release" -l cluster -d 'Cluster of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and __fish_seen_subcommand_from release" -l user -d 'User of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and __fish_seen_subcommand_from release" -s s -l server -d 'Address of the API server' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and __fish_seen_subcommand_from release" -l token -d 'Bearer token' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and __fish_seen_subcommand_from release" -l as -d 'User to impersonate' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and __fish_seen_subcommand_from release" -l as-uid -d 'UID to impersonate' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and __fish_seen_subcommand_from release" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and __fish_seen_subcommand_from release" -l request-timeout -d 'How long to wait for one answer of the server: 5s, 1m, 0 for no limit' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and __fish_seen_subcommand_from release" -l tls-server-name -d 'Name to check the server\'s certificate against' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and __fish_seen_subcommand_from release" -l certificate-authority -d 'File of the certificate authority' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and __fish_seen_subcommand_from release" -l client-certificate -d 'File of the client certificate' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and __fish_seen_subcommand_from release" -l client-key -d 'File of the client certificate\'s key' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and __fish_seen_subcommand_from release" -l cache-dir -d 'Accepted as kubectl\'s; nothing is cached, as no discovery is needed' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and __fish_seen_subcommand_from release" -l sandbox -d 'Use a private practice cluster that lives as long as the command'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and __fish_seen_subcommand_from release" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand history; and __fish_seen_subcommand_from release" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -s d -l database -d 'Look into this database only; it must be there' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -l save -d 'Save what is there as a baseline; the file must not exist' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -l against -d 'Compare with a baseline of --save' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -s o -l output -d 'Form of the output' -r -f -a "table\t'One table'
json\t'JSON'
yaml\t'YAML'"
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -s U -l username -d 'Role to log in as [default: the layout\'s]' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -l password-secret -d 'Key of a Secret that holds the password; NAME/KEY is in the pod\'s namespace. Without it: PGPASSWORD, ~/.pgpass' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -l sslmode -d 'TLS, as psql has it [default: prefer] [env: PGSSLMODE]' -r -f -a "disable\t'None'
allow\t'As prefer'
prefer\t'Where the server offers it; no certificate is checked'
require\t'Always; a certificate is checked only where --sslrootcert is there'
verify-ca\t'Always, and a trusted authority signed the server\'s certificate'
verify-full\t'The same, and the certificate is for this server'"
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -l sslrootcert -d 'File of the authorities that verify-ca and verify-full trust, or `system` [default: ~/.postgresql/root.crt] [env: PGSSLROOTCERT]' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -l sslservername -d 'Name that verify-full wants in the server\'s certificate [default: POD or POD.NAMESPACE]' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -l scenario -d 'What the practice cluster is like: see `sandbox --list`' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -l layout -d 'File that says what SynxDB calls its namespaces and workloads [env: KUBECTL_SYNXDB_LAYOUT]' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -l color -d 'Colour: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -s v -l v -d 'Show each request to the server from level 6, as kubectl does' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -s n -l namespace -d 'Namespace, or the beginning of one' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -l kubeconfig -d 'Path of the kubeconfig file [env: KUBECONFIG]' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -l context -d 'Context of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -l cluster -d 'Cluster of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -l user -d 'User of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -s s -l server -d 'Address of the API server' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -l token -d 'Bearer token' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -l as -d 'User to impersonate' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -l as-uid -d 'UID to impersonate' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -l request-timeout -d 'How long to wait for one answer of the server: 5s, 1m, 0 for no limit' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -l tls-server-name -d 'Name to check the server\'s certificate against' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -l certificate-authority -d 'File of the certificate authority' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -l client-certificate -d 'File of the client certificate' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -l client-key -d 'File of the client certificate\'s key' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -l cache-dir -d 'Accepted as kubectl\'s; nothing is cached, as no discovery is needed' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -s A -l all-namespaces -d 'Look at the system namespace and every account, whatever the context\'s namespace'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -l read-only -d 'Write nothing'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -l sandbox -d 'Use a private practice cluster that lives as long as the command'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand forward" -l port -d 'Local port; 0 is any. Without it 15432, or the next free one' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand forward" -l address -d 'Local address: localhost (127.0.0.1 and ::1) or an IP address' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand forward" -s o -l output -d 'Form of the output' -r -f -a "text\t'The psql line to paste'
json\t'One line of JSON'"
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand forward" -l scenario -d 'What the practice cluster is like: see `sandbox --list`' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand forward" -l layout -d 'File that says what SynxDB calls its namespaces and workloads [env: KUBECTL_SYNXDB_LAYOUT]' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand forward" -l color -d 'Colour: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand forward" -s v -l v -d 'Show each request to the server from level 6, as kubectl does' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand forward" -s n -l namespace -d 'Namespace, or the beginning of one' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand forward" -l kubeconfig -d 'Path of the kubeconfig file [env: KUBECONFIG]' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand forward" -l context -d 'Context of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand forward" -l cluster -d 'Cluster of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand forward" -l user -d 'User of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand forward" -s s -l server -d 'Address of the API server' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand forward" -l token -d 'Bearer token' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand forward" -l as -d 'User to impersonate' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand forward" -l as-uid -d 'UID to impersonate' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand forward" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand forward" -l request-timeout -d 'How long to wait for one answer of the server: 5s, 1m, 0 for no limit' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand forward" -l tls-server-name -d 'Name to check the server\'s certificate against' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand forward" -l certificate-authority -d 'File of the certificate authority' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand forward" -l client-certificate -d 'File of the client certificate' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand forward" -l client-key -d 'File of the client certificate\'s key' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand forward" -l cache-dir -d 'Accepted as kubectl\'s; nothing is cached, as no discovery is needed' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand forward" -l psql -d 'Run psql on it, and end with it; its own arguments follow after --'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand forward" -l sandbox -d 'Use a private practice cluster that lives as long as the command'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand forward" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand forward" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand rbac" -l for -d 'The commands that are to work [default: all]' -r -f -a "status\t'See whether all is well'
verify\t'Ask every component'
forward\t'Reach a database'
failover\t'Replace a member'
undo\t'Bring back what was set aside'
history\t'See what was done, and release what is kept'"
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand rbac" -s n -l namespace -d 'Namespace, by its whole name; may be repeated [default: all namespaces]' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand rbac" -l serviceaccount -d 'Bind the roles to this service account' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand rbac" -l subject-user -d 'Bind the roles to this user' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand rbac" -l subject-group -d 'Bind the roles to this group' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand rbac" -l secret -d 'Let it read this Secret, as --password-secret of the other commands does' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand rbac" -l scenario -d 'What the practice cluster is like: see `sandbox --list`' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand rbac" -l layout -d 'File that says what SynxDB calls its namespaces and workloads [env: KUBECTL_SYNXDB_LAYOUT]' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand rbac" -l color -d 'Colour: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand rbac" -s v -l v -d 'Show each request to the server from level 6, as kubectl does' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand rbac" -l kubeconfig -d 'Path of the kubeconfig file [env: KUBECONFIG]' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand rbac" -l context -d 'Context of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand rbac" -l cluster -d 'Cluster of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand rbac" -l user -d 'User of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand rbac" -s s -l server -d 'Address of the API server' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand rbac" -l token -d 'Bearer token' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand rbac" -l as -d 'User to impersonate' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand rbac" -l as-uid -d 'UID to impersonate' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand rbac" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand rbac" -l request-timeout -d 'How long to wait for one answer of the server: 5s, 1m, 0 for no limit' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand rbac" -l tls-server-name -d 'Name to check the server\'s certificate against' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand rbac" -l certificate-authority -d 'File of the certificate authority' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand rbac" -l client-certificate -d 'File of the client certificate' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand rbac" -l client-key -d 'File of the client certificate\'s key' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand rbac" -l cache-dir -d 'Accepted as kubectl\'s; nothing is cached, as no discovery is needed' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand rbac" -l sandbox -d 'Use a private practice cluster that lives as long as the command'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand rbac" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand rbac" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand sandbox" -l scenario -d 'What the practice cluster is like: see `sandbox --list`' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand sandbox" -l layout -d 'File that says what SynxDB calls its namespaces and workloads [env: KUBECTL_SYNXDB_LAYOUT]' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand sandbox" -l color -d 'Colour: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand sandbox" -s v -l v -d 'Show each request to the server from level 6, as kubectl does' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand sandbox" -s n -l namespace -d 'Namespace, or the beginning of one' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand sandbox" -l kubeconfig -d 'Path of the kubeconfig file [env: KUBECONFIG]' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand sandbox" -l context -d 'Context of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand sandbox" -l cluster -d 'Cluster of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand sandbox" -l user -d 'User of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand sandbox" -s s -l server -d 'Address of the API server' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand sandbox" -l token -d 'Bearer token' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand sandbox" -l as -d 'User to impersonate' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand sandbox" -l as-uid -d 'UID to impersonate' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand sandbox" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand sandbox" -l request-timeout -d 'How long to wait for one answer of the server: 5s, 1m, 0 for no limit' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand sandbox" -l tls-server-name -d 'Name to check the server\'s certificate against' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand sandbox" -l certificate-authority -d 'File of the certificate authority' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand sandbox" -l client-certificate -d 'File of the client certificate' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand sandbox" -l client-key -d 'File of the client certificate\'s key' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand sandbox" -l cache-dir -d 'Accepted as kubectl\'s; nothing is cached, as no discovery is needed' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand sandbox" -l list -d 'List the scenarios'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand sandbox" -l sandbox -d 'Use a private practice cluster that lives as long as the command'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand sandbox" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand sandbox" -s h -l help -d 'Print help'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand layout" -l scenario -d 'What the practice cluster is like: see `sandbox --list`' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand layout" -l layout -d 'File that says what SynxDB calls its namespaces and workloads [env: KUBECTL_SYNXDB_LAYOUT]' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand layout" -l color -d 'Colour: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand layout" -s v -l v -d 'Show each request to the server from level 6, as kubectl does' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand layout" -s n -l namespace -d 'Namespace, or the beginning of one' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand layout" -l kubeconfig -d 'Path of the kubeconfig file [env: KUBECONFIG]' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand layout" -l context -d 'Context of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand layout" -l cluster -d 'Cluster of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand layout" -l user -d 'User of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand layout" -s s -l server -d 'Address of the API server' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand layout" -l token -d 'Bearer token' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand layout" -l as -d 'User to impersonate' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand layout" -l as-uid -d 'UID to impersonate' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand layout" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand layout" -l request-timeout -d 'How long to wait for one answer of the server: 5s, 1m, 0 for no limit' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand layout" -l tls-server-name -d 'Name to check the server\'s certificate against' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand layout" -l certificate-authority -d 'File of the certificate authority' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand layout" -l client-certificate -d 'File of the client certificate' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand layout" -l client-key -d 'File of the client certificate\'s key' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand layout" -l cache-dir -d 'Accepted as kubectl\'s; nothing is cached, as no discovery is needed' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand layout" -l sandbox -d 'Use a private practice cluster that lives as long as the command'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand layout" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand layout" -s h -l help -d 'Print help'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand completion" -l scenario -d 'What the practice cluster is like: see `sandbox --list`' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand completion" -l layout -d 'File that says what SynxDB calls its namespaces and workloads [env: KUBECTL_SYNXDB_LAYOUT]' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand completion" -l color -d 'Colour: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand completion" -s v -l v -d 'Show each request to the server from level 6, as kubectl does' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand completion" -s n -l namespace -d 'Namespace, or the beginning of one' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand completion" -l kubeconfig -d 'Path of the kubeconfig file [env: KUBECONFIG]' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand completion" -l context -d 'Context of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand completion" -l cluster -d 'Cluster of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand completion" -l user -d 'User of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand completion" -s s -l server -d 'Address of the API server' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand completion" -l token -d 'Bearer token' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand completion" -l as -d 'User to impersonate' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand completion" -l as-uid -d 'UID to impersonate' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand completion" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand completion" -l request-timeout -d 'How long to wait for one answer of the server: 5s, 1m, 0 for no limit' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand completion" -l tls-server-name -d 'Name to check the server\'s certificate against' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand completion" -l certificate-authority -d 'File of the certificate authority' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand completion" -l client-certificate -d 'File of the client certificate' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand completion" -l client-key -d 'File of the client certificate\'s key' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand completion" -l cache-dir -d 'Accepted as kubectl\'s; nothing is cached, as no discovery is needed' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand completion" -l sandbox -d 'Use a private practice cluster that lives as long as the command'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand completion" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand completion" -s h -l help -d 'Print help'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand version" -s o -l output -d 'Form of the output' -r -f -a "text\t'For people'
json\t'JSON; of a failover, one object a line'
yaml\t'YAML'"
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand version" -l scenario -d 'What the practice cluster is like: see `sandbox --list`' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand version" -l layout -d 'File that says what SynxDB calls its namespaces and workloads [env: KUBECTL_SYNXDB_LAYOUT]' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand version" -l color -d 'Colour: auto, always or never' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set or TERM is dumb'
always\t'Always'
never\t'Never'"
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand version" -s v -l v -d 'Show each request to the server from level 6, as kubectl does' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand version" -s n -l namespace -d 'Namespace, or the beginning of one' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand version" -l kubeconfig -d 'Path of the kubeconfig file [env: KUBECONFIG]' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand version" -l context -d 'Context of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand version" -l cluster -d 'Cluster of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand version" -l user -d 'User of the kubeconfig' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand version" -s s -l server -d 'Address of the API server' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand version" -l token -d 'Bearer token' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand version" -l as -d 'User to impersonate' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand version" -l as-uid -d 'UID to impersonate' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand version" -l as-group -d 'Group to impersonate; may be repeated' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand version" -l request-timeout -d 'How long to wait for one answer of the server: 5s, 1m, 0 for no limit' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand version" -l tls-server-name -d 'Name to check the server\'s certificate against' -r
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand version" -l certificate-authority -d 'File of the certificate authority' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand version" -l client-certificate -d 'File of the client certificate' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand version" -l client-key -d 'File of the client certificate\'s key' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand version" -l cache-dir -d 'Accepted as kubectl\'s; nothing is cached, as no discovery is needed' -r -F
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand version" -l sandbox -d 'Use a private practice cluster that lives as long as the command'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand version" -l insecure-skip-tls-verify -d 'Do not check the server\'s certificate'
complete -c kubectl-synxdb -n "__fish_kubectl_synxdb_using_subcommand version" -s h -l help -d 'Print help (see more with \'--help\')'
