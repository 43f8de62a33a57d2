Feature: Calls and runs
  HTTP, authentication, scripts, shells and sub-workflows.

  Scenario Outline: An HTTP call sends what it says
    Given a workflow with definition:
    """yaml
    do: [{c: {call: http, with: {<with>}, output: {as: '<look>'}}}]
    """
    And given the workflow input is:
    """yaml
    {id: 7, word: a b}
    """
    Then the workflow should complete with output:
    """yaml
    <output>
    """
    Examples:
      | with | look | output |
      | method: get, endpoint: '{stub}/echo' | .method | GET |
      | method: post, endpoint: '{stub}/echo', body: {n: 1} | [.method, .body] | [POST, {n: 1}] |
      | method: put, endpoint: '{stub}/echo', body: {n: '${ .id }'} | .body | {n: 7} |
      | method: delete, endpoint: {uri: '{stub}/echo'} | .method | DELETE |
      | method: get, endpoint: '{stub}/echo/{id}' | .path | /echo/7 |
      | method: get, endpoint: '${ "{stub}/echo/\(.id + 1)" }' | .path | /echo/8 |
      | method: get, endpoint: '{stub}/echo', query: {q: '${ .word }'} | .query | {q: a b} |
      | method: get, endpoint: '{stub}/echo', query: {n: 3, yes: true, none: null, list: [1, 2]} | .query | {n: '3', 'yes': 'true', list: '2'} |
      | method: get, endpoint: '{stub}/echo', query: '${ {q: .id} }' | .query | {q: '7'} |
      | method: get, endpoint: '{stub}/echo', headers: {X-One: 1} | .headers."x-one" | '1' |
      | method: get, endpoint: {uri: '{stub}/echo', authentication: {basic: {username: a, password: b}}} | $authorization | {scheme: Basic, parameter: '***'} |
      | method: get, endpoint: '{stub}/echo', headers: {X-One: '1'} | .headers."x-one" | '1' |
      | method: get, endpoint: '{stub}/echo', headers: {X-Id: '${ .id \| tostring }'} | .headers."x-id" | '7' |
      | method: get, endpoint: '{stub}/echo', output: response | [.statusCode, .content.method] | [200, GET] |
      | method: get, endpoint: '{stub}/echo', output: content | .method | GET |
      | method: get, endpoint: '{stub}/text' | . | plain words |
      | method: get, endpoint: '{stub}/redirect', redirect: true, output: response | .statusCode | 302 |

  Scenario Outline: An answer that is no success is a communication error with its status
    Given a workflow with definition:
    """yaml
    do: [{c: {call: http, with: {method: get, endpoint: '{stub}/status/<status>'}}}]
    """
    Then the workflow should fault with error:
    """yaml
    {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/communication', status: <status>, instance: /do/0/c}
    """
    Examples:
      | status |
      | 400    |
      | 404    |
      | 500    |
      | 503    |

  Scenario Outline: Authentication, inline and by its name
    Given a workflow with definition:
    """yaml
    use: {authentications: {mine: {basic: {username: ada, password: open}}, token: {bearer: {token: t1}}}}
    do: [{c: {call: http, with: {method: get, endpoint: {uri: '{stub}/<path>', authentication: <authentication>}}}}]
    """
    And given the workflow input is:
    """yaml
    {user: ada}
    """
    Then the workflow should complete with output:
    """yaml
    {authenticated: true}
    """
    Examples:
      | path | authentication |
      | basic-auth/ada/open | {basic: {username: ada, password: open}} |
      | basic-auth/ada/open | {basic: {username: '${ .user }', password: open}} |
      | basic-auth/ada/open | {use: mine} |
      | bearer/t1 | {bearer: {token: t1}} |
      | bearer/t1 | {use: token} |

  Scenario Outline: Wrong credentials fault the task
    Given a workflow with definition:
    """yaml
    do: [{c: {call: http, with: {method: get, endpoint: {uri: '{stub}/<path>', authentication: <authentication>}}}}]
    """
    Then the workflow should fault with error:
    """yaml
    {status: 401, instance: /do/0/c}
    """
    Examples:
      | path | authentication |
      | basic-auth/ada/open | {basic: {username: ada, password: wrong}} |
      | bearer/t1 | {bearer: {token: t2}} |

  Scenario Outline: A script gives what it prints, or what it is asked to return
    Given a workflow with definition:
    """yaml
    do: [{r: {run: {script: {language: python, code: '<code>'}, return: <return>}}}]
    """
    Then the workflow should complete with output:
    """yaml
    <output>
    """
    Examples:
      | code | return | output |
      | print(6 * 7) | stdout | '42' |
      | import sys; sys.exit(3) | code | 3 |
      | import sys; print(1, file=sys.stderr) | none | null |

  Scenario Outline: A shell command gives its standard output, its code, or all of it
    Given a workflow with definition:
    """yaml
    do: [{r: {run: {shell: {command: <command>}, return: <return>}, output: {as: '<look>'}}}]
    """
    Then the workflow should complete with output:
    """yaml
    <output>
    """
    Examples:
      | command | return | look | output |
      | printf hello | stdout | . | hello |
      | sh -c "exit 4" | code | . | 4 |
      | sh -c "echo no >&2; exit 2" | all | [.code, (.stderr \| rtrimstr("\n"))] | [2, 'no'] |
      | 'true' | none | . | null |

  Scenario: A sub-workflow gets its input and gives its output
    Given a workflow 'child' with definition:
    """yaml
    do: [{s: {set: {twice: '${ .n * 2 }'}}}]
    """
    And a workflow with definition:
    """yaml
    do: [{r: {run: {workflow: {namespace: '{ns}', name: child, version: 1.0.0, input: {n: '${ .n }'}}}}}]
    """
    And given the workflow input is:
    """yaml
    {n: 21}
    """
    Then the workflow should complete with output:
    """yaml
    {twice: 42}
    """

  Scenario Outline: A sub-workflow of whichever version is the latest, with or without its output
    Given a workflow 'child' with definition:
    """yaml
    {document: {version: 1.0.0}, do: [{s: {set: {version: 1}}}]}
    """
    And a workflow 'child' with definition:
    """yaml
    {document: {version: 2.0.0}, do: [{s: {set: {version: 2}}}]}
    """
    And a workflow with definition:
    """yaml
    do: [{r: {run: {return: <return>, workflow: {namespace: '{ns}', name: child, version: <version>}}}}]
    """
    Then the workflow should complete with output:
    """yaml
    <output>
    """
    Examples:
      | version | return | output |
      | latest | all | {version: 2} |
      | 1.0.0 | stdout | {version: 1} |
      | latest | none | null |

  Scenario: A sub-workflow that is not awaited: the task's output is its input
    Given a workflow 'child' with definition:
    """yaml
    do: [{s: {wait: {milliseconds: 50}}}]
    """
    And a workflow with definition:
    """yaml
    do: [{r: {run: {await: false, workflow: {namespace: '{ns}', name: child, version: 1.0.0}}}}]
    """
    And given the workflow input is:
    """yaml
    {n: 21}
    """
    Then the workflow should complete with output:
    """yaml
    {n: 21}
    """

  Scenario: The error of a sub-workflow can be caught
    Given a workflow 'child' with definition:
    """yaml
    do: [{r: {raise: {error: {type: 'https://example.com/e', status: 418}}}}]
    """
    And a workflow with definition:
    """yaml
    do:
      - t:
          try: [{r: {run: {workflow: {namespace: '{ns}', name: child, version: 1.0.0}}}}]
          catch: {errors: {with: {status: 418}}, do: [{s: {set: {caught: true}}}]}
    """
    Then the workflow should complete with output:
    """yaml
    {caught: true}
    """

  Scenario: A run that is cancelled cancels its sub-workflows
    Given a workflow 'child' with definition:
    """yaml
    do: [{w: {wait: {hours: 1}}}]
    """
    And a workflow with definition:
    """yaml
    do: [{r: {run: {workflow: {namespace: '{ns}', name: child, version: 1.0.0}}}}]
    """
    And given the run is cancelled while it waits
    Then the workflow should cancel
    And 'r' has been cancelled

  Scenario Outline: A secret is given out where it is used, and named where it is not
    Given a secret 'token':
    """yaml
    t1
    """
    And a secret 'login':
    """yaml
    {username: ada, password: open}
    """
    And a workflow with definition:
    """yaml
    use: {secrets: [token, login]}
    do: [{c: {call: http, with: {method: get, endpoint: {uri: '{stub}/<path>', authentication: <authentication>}}}}]
    """
    Then the workflow should complete with output:
    """yaml
    {authenticated: true}
    """
    Examples:
      | path | authentication |
      | bearer/t1 | {bearer: {token: '${ $secrets.token }'}} |
      | basic-auth/ada/open | {basic: {username: '${ $secrets.login.username }', password: '${ $secrets.login.password }'}} |
      | basic-auth/ada/open | {basic: {use: login}} |

  Scenario: What a call echoes of a secret is taken out
    Given a secret 'token':
    """yaml
    very-secret-words
    """
    And a workflow with definition:
    """yaml
    use: {secrets: [token]}
    do: [{c: {call: http, with: {method: get, endpoint: '{stub}/echo', headers: {X-Token: '${ $secrets.token }'}}, output: {as: '.headers["x-token"] | contains("secret")'}}}]
    """
    Then the workflow should complete with output:
    """yaml
    false
    """
