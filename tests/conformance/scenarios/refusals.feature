Feature: Definitions that are refused
  What a definition must have is demanded when it is published.

  Scenario Outline: It is refused where it is wrong
    Given a workflow with definition:
    """yaml
    <definition>
    """
    Then the definition should be refused at '<where>'
    Examples:
      | definition | where |
      | do: [{a: {}}] | /do/0/a |
      | do: [{a: {set: {x: 1}, then: nowhere}}] | nowhere |
      | do: [{a: {set: {x: '${ .x + }'}}}] | /do/0/a/set |
      | do: [{a: {set: {x: '${ $unknown }'}}}] | unknown |
      | do: [{a: {call: nothing}}] | nothing |
      | do: [{a: {call: http, with: {method: get}}}] | endpoint |
      | do: [{a: {call: http, with: {endpoint: 'http://x'}}}] | method |
      | do: [{a: {raise: {}}}] | /do/0/a/raise |
      | do: [{a: {raise: {error: {status: 400}}}}] | type |
      | do: [{a: {raise: {error: missing}}}] | missing |
      | do: [{a: {switch: []}}] | /do/0/a/switch |
      | do: [{a: {for: {each: x}, do: [{b: {set: {y: 1}}}]}}] | in |
      | do: [{a: {fork: {}}}] | branches |
      | do: [{a: {emit: {event: {with: {source: s}}}}}] | type |
      | do: [{a: {listen: {}}}] | /do/0/a/listen |
      | do: [{a: {listen: {to: {one: {with: {type: t}}, any: []}}}}] | /do/0/a/listen |
      | do: [{a: {listen: {to: {one: {with: {type: t}, correlate: {c: {expect: 1}}}}}}}] | from |
      | do: [{a: {listen: {to: {one: {with: {type: t}}}}, metadata: {lookback: P9D}}}] | a day |
      | do: [{a: {listen: {to: {one: {with: {type: t}}}, read: whole}}}] | read |
      | do: [{a: {try: [{b: {set: {x: 1}}}]}}] | catch |
      | do: [{a: {wait: soon}}] | /do/0/a/wait |
      | do: [{a: {set: {x: 1}, timeout: {}}}] | after |
      | do: [{a: {set: {x: 1}, timeout: missing}}] | missing |
      | do: [{a: {run: {}}}] | /do/0/a/run |
      | {schedule: {every: PT1H, read: data}, do: [{a: {set: {x: 1}}}]} | /schedule/read |
      | {schedule: {}, do: [{a: {set: {x: 1}}}]} | /schedule |
      | {evaluate: {language: cel}, do: [{a: {set: {x: 1}}}]} | cel |
      | do: [{a: {call: aproval}}] | aproval |
      | do: [{a: {run: {workflow: {name: n}}}}] | namespace |
      | do: [{a: {run: {workflow: {namespace: n, name: '${ .n }', version: latest}}}}] | /do/0/a/run/workflow/name |
      | do: [{a: {run: {workflow: {namespace: n, name: n, version: newest}}}}] | version |
      | {schedule: {cron: '0 0 30 2 *'}, do: [{a: {set: {x: 1}}}]} | /schedule/cron |
      | do: [{a: {run: {script: {code: x}}}}] | language |
      | do: [{a: {set: {x: 1}, wait: PT1S}}] | /do/0/a |
      | do: [{a: {set: {x: 1}}, b: {set: {x: 1}}}] | /do/0 |
      | do: [{a: {set: {x: 1}, input: {schema: {document: {type: nonsense}}}}}] | schema |
      | do: [{a: {for: {each: input, in: '${ .xs }'}, do: [{b: {set: {y: 1}}}]}}] | $input |
      | do: [{a: {for: {each: index, in: '${ .xs }'}, do: [{b: {set: {y: 1}}}]}}] | one name |
      | do: [{a: {try: [{b: {set: {x: 1}}}], catch: {as: workflow}}}] | $workflow |
      | do: [{a: {switch: [{b: {then: exit}}, {c: {then: end}}]}}] | one default |
      | do: [{a: {wait: P1MT}}] | P1MT |
      | do: [{a: {run: {shell: {command: ls}}, metadata: {queue: 'a b 0'}}}] | queue |
      | {document: {metadata: {queue: 'gpu.>'}}, do: [{a: {run: {shell: {command: ls}}}}]} | queue |
      | do: [{a: {call: asyncapi, with: {document: {endpoint: x}, operation: o}}}] | /do/0/a/with |
      | do: [{a: {call: asyncapi, with: {document: {endpoint: x}, operation: o, channel: c, message: {payload: {}}}}}] | /do/0/a/with |
      | do: [{a: {call: asyncapi, with: {document: {endpoint: x}, message: {payload: {}}}}}] | /do/0/a/with |
      | do: [{a: {call: asyncapi, with: {document: {endpoint: x}, operation: o, subscription: {}}}}] | consume |
      | do: [{a: {call: a2a, with: {method: message/send}}}] | agentCard |
      | do: [{a: {call: mcp, with: {method: tools/list, transport: {}}}}] | /do/0/a/with/transport |
      | do: [{a: {call: grpc, with: {proto: {endpoint: x}, method: m}}}] | service |
      | do: [{a: {call: openapi, with: {document: {endpoint: x}}}}] | operationId |
      | do: [{a: {listen: {to: {one: {with: {}}}}}}] | /do/0/a/listen |
      | do: [{a: {call: 'f:1.0.0@nowhere'}}] | nowhere |
      | {use: {functions: {f: {call: f}}}, do: [{a: {call: f}}]} | itself |
      | do: [{a: {run: {container: {}}}}] | image |
      | do: [{a: {run: {container: {image: i, lifetime: {cleanup: eventually}}}}}] | after |
      | do: [{a: {run: {shell: {command: ls}, script: {language: js, code: x}}}}] | /do/0/a/run |
      | do: [{a: {run: {script: {language: js, code: x, source: {endpoint: y}}}}}] | /do/0/a/run/script |
      | do: [{a: {set: {x: '${ $secrets.s }'}}}] | secret |
      | {use: {secrets: [s]}, do: [{a: {set: {x: '${ $secrets.s }'}}}]} | $secrets |
      | do: [{a: {set: {x: 1}, then: exit}}, {b: {set: {y: 1}}}] | never reached |
      | do: [{a: {call: http, with: {method: get, endpoint: {uri: 'http://x', authentication: {use: nobody}}}}}] | nobody |
      | do: [{a: {try: [{b: {set: {x: 1}}}], catch: {retry: nothing}}}] | nothing |
      | do: [{a: {set: {x: '${ env }'}}}] | env |
      | do: [{a: {wait: {hours: 1, minute: 1}}}] | minute |
      | do: [{a: {call: approval, with: {title: T, deadline: P1D, default: {ok: 1}, form: {type: object, properties: {ok: {type: boolean}}}}}}] | does not fit the form |
      | do: [{a: {call: approval, with: {title: T, assignees: [ada, bob], approvals: 3}}}] | 3 approvals are wanted, and 2 may give one |
      | do: [{a: {call: approval, with: {title: T, approvals: 0}}}] | /do/0/a/with/approvals |
      | do: [{a: {call: approval, with: {title: T, refusals: 2}}}] | /do/0/a/with/refusals |
      | do: [{a: {call: approval, with: {title: T, approvals: 2, form: {type: object, properties: {ok: {type: boolean}}}}}}] | says 'approved' |
