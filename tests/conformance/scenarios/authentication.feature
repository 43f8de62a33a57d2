Feature: Authentication
  Every scheme of the reference, in place, by its name, and from a secret.

  Scenario Outline: A service lets in whoever authenticates as it wants
    Given a secret 'login':
    """yaml
    {username: ada, password: open}
    """
    And a workflow with definition:
    """yaml
    use: {secrets: [login], authentications: {mine: {digest: {username: ada, password: open}}}}
    do: [{c: {call: http, with: {method: get, endpoint: {uri: '{stub}/<path>', authentication: <authentication>}}}}]
    """
    Then the workflow should complete with output:
    """yaml
    {authenticated: true}
    """
    Examples:
      | path | authentication |
      | digest/ada/open | {digest: {username: ada, password: open}} |
      | digest/ada/open | {use: mine} |
      | digest/ada/open | {digest: {use: login}} |
      | basic-auth/ada/open | {basic: {use: login}} |
      | digest/ada/open | {digest: {username: '${ $secrets.login.username }', password: '${ $secrets.login.password }'}} |

  Scenario Outline: A token is asked for as the policy says
    Given a workflow with definition:
    """yaml
    use: {authentications: {mine: {oauth2: {authority: '{stub}', grant: client_credentials, client: {id: us, secret: open}}}}}
    do: [{c: {call: http, with: {method: get, endpoint: {uri: '{stub}/whose', authentication: <authentication>}}, output: {as: '[.grant, .client, .user, .scope]'}}}]
    """
    Then the workflow should complete with output:
    """yaml
    <token>
    """
    Examples:
      | authentication | token |
      | {oauth2: {authority: '{stub}', grant: client_credentials, client: {id: us, secret: open}, scopes: [api]}} | [client_credentials, us, '', 'api'] |
      | {oauth2: {authority: '{stub}', grant: client_credentials, client: {id: us, secret: open, authentication: client_secret_basic}}} | [client_credentials, us, '', ''] |
      | {oauth2: {authority: '{stub}', grant: client_credentials, client: {id: us, secret: open}, request: {encoding: application/json}}} | [client_credentials, us, '', ''] |
      | {oauth2: {authority: '{stub}', grant: password, username: ada, password: p, client: {id: us, secret: open}}} | [password, us, 'ada', ''] |
      | {oauth2: {authority: '{stub}', endpoints: {token: /realm/tokens}, grant: client_credentials, client: {id: us, secret: open}}} | [client_credentials, us, '', ''] |
      | {use: mine} | [client_credentials, us, '', ''] |
      | {oidc: {authority: '{stub}/realm/.well-known/openid-configuration', grant: client_credentials, client: {id: us, secret: open}}} | [client_credentials, us, '', ''] |
      | {oidc: {authority: '{stub}/realm', grant: client_credentials, client: {id: us, secret: open}, scopes: [api, more]}} | [client_credentials, us, '', 'api more'] |

  Scenario Outline: Who cannot authenticate faults the task with an authentication error
    Given a workflow with definition:
    """yaml
    do: [{c: {try: [{t: {call: http, with: {method: get, endpoint: {uri: '{stub}/<path>', authentication: <authentication>}}}}], catch: {do: [{h: {set: '${ $error.status }'}}]}}}]
    """
    Then the workflow should complete with output:
    """yaml
    401
    """
    Examples:
      | path | authentication |
      | digest/ada/open | {digest: {username: ada, password: wrong}} |
      | whose | {oauth2: {authority: '{stub}', grant: client_credentials, client: {id: us, secret: wrong}}} |
      | whose | {oidc: {authority: '{stub}/realm', grant: client_credentials, client: {id: us, secret: wrong}}} |

  Scenario Outline: A secret that is not there, or not for this workflow, is an authorization error
    Given a workflow with definition:
    """yaml
    use: {secrets: [nowhere]}
    do: [{c: <task>}]
    """
    Then the workflow should fault with error:
    """yaml
    {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/authorization', status: 403, instance: /do/0/c}
    """
    Examples:
      | task |
      | {call: http, with: {method: get, endpoint: '{stub}/echo', headers: {X: '${ $secrets.nowhere }'}}} |
      | {run: {shell: {command: 'true', environment: {X: '${ $secrets.nowhere }'}}}} |
      | {call: http, input: {from: '${ {x: $secrets.nowhere} }'}, with: {method: get, endpoint: '{stub}/echo'}} |
      | {call: http, with: {method: get, endpoint: {uri: '{stub}/echo', authentication: {bearer: {use: nowhere}}}}} |
