//! Service accounts, their tokens, and what roles allow them.

use crate::support::{Ask, Server};
use serde_json::{Value, json};

const ROLES: &str = "/apis/rbac.authorization.k8s.io/v1/namespaces/ns/roles";
const TOKEN: &str = "/api/v1/namespaces/ns/serviceaccounts/robot/token";

/// Sends a request with a token.
async fn bearer(server: &Server, token: &str, method: &str, path: &str, body: &str) -> (u16, Value) {
    let value = format!("Bearer {token}");
    let headers = &[("authorization", value.as_str()), ("content-type", "application/json")];
    server.ask("anonymous", method, path, Ask { body, headers }).await
}

#[tokio::test]
async fn kubectl_gives_an_account_what_a_role_allows() {
    let server = Server::start().await;
    for command in [
        "create serviceaccount robot",
        "create role reader --verb=get,list --resource=pods,pods/log",
        "create rolebinding robots --role=reader --serviceaccount=ns:robot",
        "create clusterrole nodes --verb=list --resource=nodes",
        "create clusterrolebinding robots --clusterrole=nodes --serviceaccount=ns:robot --user=jane --group=dba",
    ] {
        server.kubectl(&command.split(' ').collect::<Vec<_>>()).await;
    }
    let words = |text: String| {
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect::<Vec<_>>()
    };
    let table = words(server.kubectl(&["get", "role,rolebinding", "-o", "wide"]).await);
    assert_eq!(table[0], "NAME CREATED AT");
    assert!(table[1].starts_with("role.rbac.authorization.k8s.io/reader 20") && table[1].ends_with('Z'), "{table:?}");
    assert_eq!(table[3], "NAME ROLE AGE USERS GROUPS SERVICEACCOUNTS");
    assert!(table[4].starts_with("rolebinding.rbac.authorization.k8s.io/robots Role/reader "), "{table:?}");
    assert!(table[4].ends_with(" ns/robot"), "{table:?}");
    let described = server.kubectl(&["describe", "rolebinding", "robots"]).await;
    assert!(described.contains("ServiceAccount  robot  ns"), "{described}");
    assert!(server.kubectl(&["describe", "role", "reader"]).await.contains("pods/log"));

    let account = "system:serviceaccount:ns:robot";
    for (question, yes) in [
        (&["get", "pods"][..], true),
        (&["get", "pods/log"], true),
        (&["delete", "pods"], false),
        (&["get", "pods", "-n", "default"], false),
        (&["list", "nodes"], true),
    ] {
        let ask = [&["auth", "can-i"][..], question, &["--as", account]].concat();
        let (allowed, answer, _) = server.kubectl_as("admin", &ask).await;
        assert_eq!((allowed, answer.trim() == "yes"), (yes, yes), "{question:?}: {answer}");
    }
    let listed = server.kubectl(&["auth", "can-i", "--list", "--as", account]).await;
    assert!(words(listed).iter().any(|line| line == "pods/log [] [] [get list]"));

    let token = if server.kubectl_minor().await >= 24 {
        let refused = server.kubectl_fails(&["create", "token", "robot", "--duration=1m"]).await;
        assert!(refused.contains("may not specify a duration less than 10 minutes"), "{refused}");
        server.kubectl(&["create", "token", "robot", "--duration=20m"]).await
    } else {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "{}").unwrap();
        let answer = server.kubectl(&["create", "--raw", TOKEN, "-f", file.path().to_str().unwrap()]).await;
        serde_json::from_str::<Value>(&answer).unwrap()["status"]["token"].as_str().unwrap().to_owned()
    };
    server.write_kubeconfig("robot", json!({"token": token.trim()}));
    let (done, _, said) = server.kubectl_as("robot", &["get", "pods"]).await;
    assert!(done && said.contains("No resources found in ns namespace."), "{said}");
    let (done, _, said) = server.kubectl_as("robot", &["delete", "pod", "x"]).await;
    assert!(!done);
    assert_eq!(
        said.trim(),
        "Error from server (Forbidden): pods \"x\" is forbidden: User \"system:serviceaccount:ns:robot\" cannot delete \
         resource \"pods\" in API group \"\" in the namespace \"ns\""
    );
}

#[tokio::test]
async fn a_token_is_its_accounts_until_that_goes() {
    let server = Server::start().await;
    let account = json!({"metadata": {"name": "robot"}});
    server.send("POST", "/api/v1/namespaces/ns/serviceaccounts", account).await;
    assert_eq!(server.send("POST", &TOKEN.replace("robot", "none"), json!({})).await.0, 404);
    let (status, answer) = server.send("POST", TOKEN, json!({"spec": {"expirationSeconds": 900}})).await;
    assert_eq!((status, answer["kind"].as_str()), (201, Some("TokenRequest")));
    assert!(answer["status"]["expirationTimestamp"].is_string());
    let token = answer["status"]["token"].as_str().unwrap();

    let whoami = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let (_, me) = bearer(&server, token, "POST", whoami, "{}").await;
    let me = &me["status"]["userInfo"];
    assert_eq!(me["username"], "system:serviceaccount:ns:robot");
    let groups = ["system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"];
    assert_eq!(me["groups"], json!(groups));

    let (status, refused) = bearer(&server, token, "GET", "/api/v1/pods", "").await;
    assert_eq!(status, 403);
    let expected = "pods is forbidden: User \"system:serviceaccount:ns:robot\" cannot list resource \"pods\" in API group \
                    \"\" at the cluster scope";
    assert_eq!(refused["message"], expected);

    // A token for another audience is not accepted here.
    let foreign = json!({"spec": {"audiences": ["vault"]}});
    let (_, answer) = server.send("POST", TOKEN, foreign).await;
    let foreign = answer["status"]["token"].as_str().unwrap();
    assert_eq!(bearer(&server, foreign, "GET", "/version", "").await.0, 401);
    // A token bound to a pod must be of the pod's account, and expires with the pod.
    let pod = server.running_pod("p", json!({}));
    assert_eq!(pod["spec"]["serviceAccountName"], "default");
    let request = json!({"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "p"}}});
    assert_eq!(server.send("POST", TOKEN, request.clone()).await.0, 400);
    let account = json!({"metadata": {"name": "default"}});
    server.send("POST", "/api/v1/namespaces/ns/serviceaccounts", account).await;
    let (_, answer) = server.send("POST", &TOKEN.replace("robot", "default"), request).await;
    let bound = answer["status"]["token"].as_str().unwrap();
    assert_eq!(bearer(&server, bound, "GET", "/version", "").await.0, 200);
    server.send("DELETE", "/api/v1/namespaces/ns/pods/p", json!({"gracePeriodSeconds": 0})).await;
    assert_eq!(bearer(&server, bound, "GET", "/version", "").await.0, 401);

    assert_eq!(bearer(&server, token, "GET", "/version", "").await.0, 200);
    server.send("DELETE", "/api/v1/namespaces/ns/serviceaccounts/robot", json!({})).await;
    assert_eq!(bearer(&server, token, "GET", "/version", "").await.0, 401);
}

#[tokio::test]
async fn reviews_name_the_binding_and_deny_wins() {
    let server = Server::start_with("deny: [{verbs: [delete], resources: [pods], namespaces: [ns]}]").await;
    let role = json!({"metadata": {"name": "all"}, "rules": [
        {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]});
    assert_eq!(server.send("POST", ROLES, role).await.0, 201);
    let binding = json!({"metadata": {"name": "all"}, "roleRef": {"kind": "Role", "name": "all"},
                         "subjects": [{"kind": "User", "name": "guest"}]});
    let (_, made) = server.send("POST", &ROLES.replace("roles", "rolebindings"), binding.clone()).await;
    assert_eq!(made["subjects"][0]["apiGroup"], "rbac.authorization.k8s.io");
    let review = async |verb: &str, namespace: &str| {
        let attributes = json!({"verb": verb, "resource": "pods", "namespace": namespace});
        let body = json!({"spec": {"resourceAttributes": attributes}}).to_string();
        let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
        let headers = &[("content-type", "application/json")];
        server.ask("guest", "POST", path, Ask { body: &body, headers }).await.1["status"].clone()
    };
    let reason = "RBAC: allowed by RoleBinding \"all/ns\" of Role \"all\" to User \"guest\"";
    assert_eq!(review("get", "ns").await, json!({"allowed": true, "reason": reason}));
    assert_eq!(review("delete", "ns").await, json!({"allowed": false}));
    assert_eq!(review("get", "default").await, json!({"allowed": false}));
    assert_eq!(server.ask("guest", "GET", "/api/v1/namespaces/ns/pods", Ask::default()).await.0, 200);

    let mut other = binding;
    other["roleRef"]["name"] = json!("other");
    other["metadata"]["name"] = json!("all");
    let path = format!("{}/all", ROLES.replace("roles", "rolebindings"));
    let (status, refused) = server.send("PUT", &path, other).await;
    assert_eq!(status, 422);
    assert!(refused["message"].as_str().unwrap().contains("roleRef: Invalid value: {"), "{refused}");
    // Without its role a binding allows nothing, and the reason names the role.
    server.send("DELETE", &format!("{ROLES}/all"), json!({})).await;
    let (status, refused) = server.ask("guest", "GET", "/api/v1/namespaces/ns/pods", Ask::default()).await;
    assert_eq!(status, 403);
    let why = ": RBAC: role.rbac.authorization.k8s.io \"all\" not found";
    assert!(refused["message"].as_str().unwrap().ends_with(why), "{refused}");
}
