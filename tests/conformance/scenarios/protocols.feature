Feature: The functions that every runtime has
  OpenAPI, AsyncAPI, agents, tools, and functions from elsewhere.

  Scenario Outline: An operation of an OpenAPI document is called as the document says
    Given a workflow with definition:
    """yaml
    do: [{c: {call: openapi, with: {document: {endpoint: '{stub}/<document>'}, <with>}, output: {as: '<look>'}}}]
    """
    And given the workflow input is:
    """yaml
    {id: 1}
    """
    Then the workflow should complete with output:
    """yaml
    <output>
    """
    Examples:
      | document | with | look | output |
      | openapi.json | operationId: replace, parameters: {id: a b, tags: [x, y], X-Trace: t, body: {n: 1}} | [.method, .path, .query.tags, .headers["x-trace"], .body] | [PUT, /echo/a%20b, y, t, {n: 1}] |
      | openapi.json | operationId: replace, parameters: {id: '${ .id }', n: 2} | [.path, .body] | [/echo/1, {n: 2}] |
      | openapi.json | operationId: replace, parameters: {id: 7, n: 2}, output: response | [.statusCode, .content.path, .request.method] | [200, /echo/7, PUT] |
      | openapi.json | operationId: replace, parameters: {id: 7, n: 2}, output: raw | @base64d \| fromjson \| .path | /echo/7 |
      | openapi.json | operationId: elsewhere, redirect: true, output: response | .statusCode | 302 |
      | openapi.json | operationId: replace, parameters: {id: 7, n: 2, X-Key: k} | [.path, .headers["x-key"], .body] | [/echo/7, k, {n: 2}] |
      | openapi.json | operationId: upload, parameters: {id: 7, body: {a: 1, b: {c: d}}} | [.body \| match("name=\"([ab])\""; "g").captures[0].string] | [a, b] |
      | split.json | operationId: look, parameters: {id: [a/b, c]} | .path | /echo/.a%2Fb.c |
      | v2/swagger.json | operationId: getPetById, parameters: {petId: 2} | .name | Idefix |
      | v2/swagger.json | operationId: findPetsByStatus, parameters: {status: sold} | map(.id) | [2] |

  Scenario Outline: A message goes out, and messages come in
    Given a workflow with definition:
    """yaml
    do: [{c: {call: asyncapi, with: {document: {endpoint: '{stub}/<document>'}, <with>}, output: {as: '<look>'}}}]
    """
    And given the workflow input is:
    """yaml
    {least: 2}
    """
    Then the workflow should complete with output:
    """yaml
    <output>
    """
    Examples:
      | document | with | look | output |
      | asyncapi3.json | operation: say, message: {payload: {a: 1}, headers: {X-A: b}} | .payload | {a: 1} |
      | asyncapi3.json | operation: follow, protocol: http, subscription: {consume: {amount: 2}} | map(.payload.n) | [1, 2] |
      | asyncapi3.json | operation: follow, server: {name: web}, subscription: {filter: '${ .payload.n > $workflow.input.least }', consume: {amount: 2}} | map(.payload.n) | [3, 4] |
      | asyncapi3.json | operation: follow, subscription: {consume: {until: '${ length == 3 }'}} | map(.payload.n) | [1, 2, 3] |
      | asyncapi3.json | operation: follow, subscription: {consume: {while: '${ length < 2 }'}} | map(.payload.n) | [1, 2] |
      | asyncapi2.json | channel: feed, subscription: {consume: {amount: 1}} | map(.payload.n) | [1] |
      | asyncapi2.json | channel: feed, message: {payload: {a: 1}} | .payload | {a: 1} |

  Scenario Outline: What is done for each message is done before the next, in the order in which they came
    Given a workflow with definition:
    """yaml
    do:
      - c:
          call: asyncapi
          with:
            document: {endpoint: '{stub}/asyncapi3.json'}
            operation: follow
            subscription:
              consume: {<consume>}
              foreach:
                item: message
                at: i
                do: [{s: {set: {i: '${ $i }', n: '${ $message.payload.n }'}, export: {as: '${ {seen: (($context.seen // []) + [.n])} }'}}}]
      - seen: {set: {each: '${ . }', context: '${ $context.seen }'}}
    """
    Then the workflow should complete with output:
    """yaml
    {each: [{i: 0, n: 1}, {i: 1, n: 2}, {i: 2, n: 3}], context: [1, 2, 3]}
    """
    Examples:
      | consume |
      | amount: 3 |
      | until: '${ length == 3 }' |
      | while: '${ length < 3 }' |
      | until: '${ ($context.seen \| length) == 3 }' |
      | while: '${ $context.seen != [1, 2, 3] }' |

  Scenario Outline: An agent is sent what the caller says, and what the caller leaves out
    Given a workflow with definition:
    """yaml
    do: [{c: {call: a2a, with: {method: <method>, <agent>, parameters: <parameters>}}}]
    """
    And given the workflow input is:
    """yaml
    {text: hi}
    """
    Then the workflow should complete with output:
    """yaml
    <output>
    """
    Examples:
      | method | agent | parameters | output |
      | message/send | agentCard: {endpoint: '{stub}/agent/card.json'} | {message: {parts: [{kind: text, text: hi}]}} | {role: user, identified: uuid, parts: [{kind: text, text: hi}]} |
      | message/send | server: '{stub}/agent/rpc' | {message: {role: agent, messageId: m, parts: []}} | {role: agent, identified: otherwise, parts: []} |
      | message/send | server: '{stub}/agent/rpc' | '${ {message: {parts: [.text]}} }' | {role: user, identified: uuid, parts: [hi]} |
      | message/send | agentCard: {endpoint: '{stub}/agent/both.json'} | {message: {parts: []}} | {role: user, identified: uuid, parts: []} |
      | message/send | agentCard: {endpoint: '{stub}/agent/newer.json'} | {message: {parts: [{kind: text, text: hi}]}} | {message: {role: ROLE_USER, identified: uuid, parts: [{text: hi}]}} |
      | message/stream | server: {uri: '{stub}/agent/rpc'} | {message: {parts: []}} | [{n: 0}, {n: 1}, {n: 2}] |

  Scenario Outline: A tool server is opened before it is asked
    Given a workflow with definition:
    """yaml
    do: [{c: {call: mcp, with: {method: <method>, <with>, transport: {http: {endpoint: '{stub}/tools'}}}, output: {as: '<look>'}}}]
    """
    And given the workflow input is:
    """yaml
    {a: 2, b: 3}
    """
    Then the workflow should complete with output:
    """yaml
    <output>
    """
    Examples:
      | method | with | look | output |
      | tools/list | timeout: PT10S | .tools[0].name | add |
      | tools/call | parameters: {name: add, arguments: {a: 2, b: 40}} | .content[0].text | '42' |
      | tools/call | parameters: '${ {name: "add", arguments: .} }' | .content[0].text | '5' |
      | tools/call | protocolVersion: '2025-06-18', client: {name: us, version: 1.0.0}, parameters: {name: add, arguments: {a: 1, b: 1}} | .content[0].text | '2' |

  Scenario: What a tool says of its own failure is its result
    Given a workflow with definition:
    """yaml
    do: [{c: {call: mcp, with: {method: tools/call, parameters: {name: fail, arguments: {}}, transport: {http: {endpoint: '{stub}/tools'}}}, output: {as: .isError}}}]
    """
    Then the workflow should complete with output:
    """yaml
    true
    """

  Scenario Outline: A method of a proto is called with what it is given
    Given a workflow with definition:
    """yaml
    do: [{c: {call: grpc, with: {proto: {endpoint: '{stub}/protos/greeter.proto'}, service: {name: conformance.Greeter, host: localhost, port: {grpc}<more>}, method: <method>, arguments: <arguments>}}}]
    """
    And given the workflow input is:
    """yaml
    {name: ada}
    """
    Then the workflow should complete with output:
    """yaml
    <output>
    """
    Examples:
      | method | arguments | more | output |
      | Greet | {name: ada} |  | {said: hello ada} |
      | Greet | '${ . }' |  | {said: hello ada} |
      | Greet | {name: '${ .name }'} |  | {said: hello ada} |
      | Count | {n: 3} |  | [{n: '0'}, {n: '1'}, {n: '2'}] |
      | Last | {n: '9007199254740993', word: last} |  | {n: '9007199254740993', word: last} |
      | Enter | {} | , authentication: {bearer: {token: t1}} | {authenticated: true} |

  Scenario Outline: A method that fails, or is not there, is an error of its kind
    Given a workflow with definition:
    """yaml
    do: [{c: {call: grpc, with: {proto: {endpoint: '{stub}/protos/<proto>'}, service: {name: <service>, host: localhost, port: <port>}, method: <method>, arguments: <arguments>}, timeout: {after: <within>}}}]
    """
    Then the workflow should fault with error:
    """yaml
    {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/<kind>', status: <status>, instance: /do/0/c}
    """
    Examples:
      | proto | service | port | method | arguments | within | kind | status |
      | greeter.proto | Greeter | {grpc} | Greet | {} | PT1M | communication | 404 |
      | greeter.proto | Greeter | {grpc} | Enter | {} | PT1M | communication | 401 |
      | greeter.proto | Greeter | {grpc} | Hang | {} | PT0.2S | timeout | 408 |
      | greeter.proto | Greeter | 1 | Greet | {} | PT1M | communication | 503 |
      | greeter.proto | Greeter | {grpc} | Nod | {} | PT1M | configuration | 400 |
      | greeter.proto | Gruesser | {grpc} | Greet | {} | PT1M | configuration | 400 |
      | greeter.proto | Greeter | {grpc} | Count | {m: 1} | PT1M | configuration | 400 |
      | broken.proto | Greeter | {grpc} | Greet | {} | PT1M | configuration | 400 |
      | missing.proto | Greeter | {grpc} | Greet | {} | PT1M | communication | 404 |

  Scenario Outline: What a peer echoes of a secret is taken out, of answers and of errors
    Given a secret 'word':
    """yaml
    very-secret-words
    """
    And a workflow with definition:
    """yaml
    use: {secrets: [word]}
    do: [{c: {try: [{t: {call: <call>, with: <with>}}], catch: {do: [{h: {set: '${ $error }'}}]}, output: {as: '<look>'}}}]
    """
    Then the workflow should complete with output:
    """yaml
    <output>
    """
    Examples:
      | call | with | look | output |
      | grpc | {proto: {endpoint: '{stub}/protos/greeter.proto'}, service: {name: Greeter, host: localhost, port: {grpc}}, method: Greet, arguments: {name: '${ $secrets.word }'}} | .said | hello *** |
      | grpc | {proto: {endpoint: '{stub}/protos/greeter.proto'}, service: {name: Greeter, host: localhost, port: {grpc}}, method: Greet, arguments: {refuse: '${ $secrets.word }'}} | .detail \| endswith("NOT_FOUND: not ***") | true |
      | mcp | {method: tools/call, parameters: {name: '${ $secrets.word }'}, transport: {http: {endpoint: '{stub}/tools'}}} | .detail \| endswith("no tool ***") | true |
      | a2a | {method: message/send, server: '{stub}/agent/rpc', parameters: {message: {parts: [{text: '${ $secrets.word }'}]}}} | .parts[0].text | '***' |

  Scenario Outline: What goes wrong in a call is an error of its kind
    Given a workflow with definition:
    """yaml
    do: [{c: {call: <call>, with: <with>}}]
    """
    Then the workflow should fault with error:
    """yaml
    {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/<kind>', status: <status>, instance: /do/0/c}
    """
    Examples:
      | call | with | kind | status |
      | http | {method: get, endpoint: 'http://127.0.0.1:1/nobody'} | communication | 503 |
      | http | {method: get, endpoint: '{stub}/redirect'} | communication | 302 |
      | http | {method: get, endpoint: '{stub}/status/404', redirect: true} | communication | 404 |
      | openapi | {document: {endpoint: '{stub}/openapi.json'}, operationId: elsewhere} | communication | 302 |
      | openapi | {document: {endpoint: '{stub}/openapi.json'}, operationId: broken, redirect: true} | communication | 503 |
      | openapi | {document: {endpoint: '{stub}/missing.json'}, operationId: broken} | communication | 404 |
      | a2a | {method: tasks/get, server: '{stub}/agent/rpc', parameters: {id: '9'}} | runtime | 500 |
      | mcp | {method: tools/call, parameters: {name: none, arguments: {}}, transport: {http: {endpoint: '{stub}/tools'}}} | runtime | 500 |
      | mcp | {method: tools/call, parameters: {name: gone, arguments: {}}, transport: {http: {endpoint: '{stub}/tools'}}} | runtime | 500 |
      | mcp | {method: tools/list, transport: {stdio: {command: 'false'}}} | communication | 502 |
      | mcp | {method: tools/list, timeout: PT0.3S, transport: {stdio: {command: sleep, arguments: ['20']}}} | timeout | 408 |

  Scenario Outline: A function from elsewhere is called with what it is given
    Given a workflow with definition:
    """yaml
    use: {catalogs: {ours: {endpoint: {uri: '{stub}/catalog'}}}, functions: {mine: {set: {greeting: '${ "mine \(.name)" }'}}}}
    do: [{c: {call: '<function>', with: {name: ada}}}]
    """
    Then the workflow should complete with output:
    """yaml
    {greeting: <output>}
    """
    Examples:
      | function | output |
      | greet:1.0.0@ours | hello ada |
      | {stub}/function.yaml | hello ada |
      | mine | mine ada |

  Scenario Outline: Schemas and scripts from elsewhere are as good as those in place
    Given a workflow with definition:
    """yaml
    do:
      - s: {set: {n: 1}, output: {schema: {format: json, resource: {endpoint: '{stub}/schema.json'}}}}
      - r: {run: {script: {language: python, source: {endpoint: {uri: '{stub}/script.py'}}, arguments: ['<word>']}}}
    """
    And given the workflow input is:
    """yaml
    {word: well}
    """
    Then the workflow should complete with output:
    """yaml
    fetched <said>
    """
    Examples:
      | word | said |
      | plain | plain |
      | ${ "\(.n)" } | 1 |
