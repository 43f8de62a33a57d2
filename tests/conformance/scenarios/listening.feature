Feature: Listen, correlation and emit
  Events by their attributes, strategies, until, foreach, read, and what ties events to a run.

  Scenario Outline: One event that meets the filter is consumed, and the output is an array of it
    Given a workflow with definition:
    """yaml
    do: [{l: {listen: {to: {one: {with: <with>}}}}}]
    """
    And given the workflow input is:
    """yaml
    {limit: 10, who: ada}
    """
    And given these events are published:
    """yaml
    - {type: com.x.other, data: {n: 1}}
    - {type: com.x.temp, source: /b, subject: bob, data: {n: 5}, level: low}
    - {type: com.x.temp, source: /a, subject: ada, data: {n: 50}, level: high}
    """
    Then the workflow should complete with output:
    """yaml
    [{n: <n>}]
    """
    Examples:
      | with | n |
      | {type: com.x.temp} | 5 |
      | {type: com.x.other} | 1 |
      | {type: com.x.*} | 1 |
      | {type: 'com\.x\.(temp\|none)'} | 5 |
      | {type: com.x.temp, source: /a} | 50 |
      | {type: com.x.temp, subject: ada} | 50 |
      | {type: com.x.temp, level: high} | 50 |
      | {type: com.x.temp, data: '${ .n > 10 }'} | 50 |
      | {type: com.x.temp, data: '${ .n > $input.limit }'} | 50 |
      | {type: com.x.temp, subject: '${ $input.who }'} | 50 |
      | {type: com.x.temp, data: {n: 50}} | 50 |
      | {type: com.x.temp, source: '${ endswith("a") }'} | 50 |
      | {source: /b} | 5 |

  Scenario: An event on which the filter's expression fails does not meet it
    Given a workflow with definition:
    """yaml
    do: [{l: {listen: {to: {one: {with: {type: a, data: '${ .n.deep > 1 }'}}}}}}]
    """
    And given these events are published:
    """yaml
    - {type: a, data: words}
    - {type: a, data: {n: 5}}
    - {type: a, data: {n: {deep: 2}}}
    """
    Then the workflow should complete with output:
    """yaml
    [{n: {deep: 2}}]
    """

  Scenario Outline: All and any consume what they say, in the order of consumption
    Given a workflow with definition:
    """yaml
    do: [{l: {listen: {to: <to>}}}]
    """
    And given these events are published:
    """yaml
    - {type: b, data: 1}
    - {type: a, data: 2}
    - {type: a, data: 3}
    - {type: c, data: 4}
    - {type: end, data: 5}
    - {type: last, data: 6}
    """
    Then the workflow should complete with output:
    """yaml
    <output>
    """
    Examples:
      | to | output |
      | {all: [{with: {type: a}}, {with: {type: b}}]} | [1, 2] |
      | {all: [{with: {type: a}}, {with: {type: a}}, {with: {type: c}}]} | [2, 3, 4] |
      | {any: [{with: {type: a}}, {with: {type: c}}]} | [2] |
      | {any: []} | [1] |
      | {any: [{with: {type: a}}, {with: {type: c}}], until: length == 2} | [2, 3] |
      | {any: [{with: {type: a}}, {with: {type: c}}], until: '${ any(. == 4) }'} | [2, 3, 4] |
      | {any: [{with: {type: a}}], until: {one: {with: {type: end}}}} | [2, 3] |
      | {any: [], until: {one: {with: {type: end}}}} | [1, 2, 3, 4] |
      | {any: [{with: {type: a}}], until: {all: [{with: {type: c}}, {with: {type: end}}]}} | [2, 3] |
      | {any: [{with: {type: b}}], until: {any: [{with: {type: end}}, {with: {type: last}}]}} | [1] |

  Scenario Outline: Read gives data or the whole event
    Given a workflow with definition:
    """yaml
    do: [{l: {listen: {to: {one: {with: {type: com.x.a}}}, read: <read>}, output: {as: '.[0] | <look>'}}}]
    """
    And given these events are published:
    """yaml
    - {type: com.x.a, id: first, data: {n: 1}}
    """
    Then the workflow should complete with output:
    """yaml
    <output>
    """
    Examples:
      | read     | look              | output                              |
      | data     | .                 | {n: 1}                              |
      | raw      | .                 | {n: 1}                              |
      | envelope | {id, type, data}  | {id: first, type: com.x.a, data: {n: 1}} |

  Scenario: Foreach runs its body for each event before it takes the next
    Given a workflow with definition:
    """yaml
    do:
      - l:
          listen: {to: {any: [{with: {type: r}}], until: length == 3}}
          foreach:
            item: event
            at: i
            do: [{w: {wait: {milliseconds: 10}}}, {s: {set: {v: '${ $event.v }', i: '${ $i }'}}}]
            output: {as: '.v * 10 + .i + $event.v * 100'}
    """
    And given these events are published:
    """yaml
    - {type: r, data: {v: 1}}
    - {type: r, data: {v: 2}}
    - {type: r, data: {v: 3}}
    """
    Then the workflow should complete with output:
    """yaml
    [110, 221, 332]
    """

  Scenario: The export of foreach sees each event
    Given a workflow with definition:
    """yaml
    do:
      - start: {set: {a: 0}, export: {as: '{sum: 0}'}}
      - l:
          listen: {to: {any: [{with: {type: r}}], until: length == 2}}
          foreach: {item: e, do: [{s: {set: {v: '${ $e.v }'}}}], export: {as: '{sum: ($context.sum + .v)}'}}
      - s: {set: '${ $context }'}
    """
    And given these events are published:
    """yaml
    - {type: r, data: {v: 1}}
    - {type: r, data: {v: 2}}
    """
    Then the workflow should complete with output:
    """yaml
    {sum: 3}
    """

  Scenario Outline: Correlation ties events to a run and to one another
    Given a workflow with definition:
    """yaml
    do: [{l: {listen: {to: <to>}}}]
    """
    And given the workflow input is:
    """yaml
    {order: 7}
    """
    And given these events are published:
    """yaml
    - {type: paid, room: x, data: {order: 6, n: 1}}
    - {type: sent, room: y, data: {order: 7, n: 2}}
    - {type: paid, room: y, data: {order: 7, n: 3}}
    - {type: sent, room: x, data: {order: 6, n: 4}}
    """
    Then the workflow should complete with output:
    """yaml
    <output>
    """
    Examples:
      | to | output |
      | {one: {with: {type: paid}, correlate: {o: {from: .data.order, expect: '${ .order }'}}}} | [{order: 7, n: 3}] |
      | {one: {with: {type: sent}, correlate: {o: {from: '${ .room }', expect: x}}}} | [{order: 6, n: 4}] |
      | {one: {with: {type: paid}, correlate: {o: {from: .data.order}}}} | [{order: 6, n: 1}] |
      | {all: [{with: {type: paid}, correlate: {o: {from: .data.order}}}, {with: {type: sent}, correlate: {o: {from: .data.order}}}]} | [{order: 6, n: 1}, {order: 6, n: 4}] |
      | {all: [{with: {type: sent}, correlate: {r: {from: .room}}}, {with: {type: paid}, correlate: {r: {from: .room}}}]} | [{order: 6, n: 1}, {order: 6, n: 4}] |
      | {one: {with: {type: sent}, correlate: {r: {from: .room}, o: {from: .data.order, expect: '${ .order }'}}}} | [{order: 7, n: 2}] |
      | {one: {with: {type: paid}, correlate: {o: {from: .data.missing // .data.order, expect: '${ .order }'}}}} | [{order: 7, n: 3}] |

  Scenario: Events before the listener are not consumed
    Given a workflow with definition:
    """yaml
    do:
      - w: {wait: {milliseconds: 700}}
      - l: {listen: {to: {one: {with: {type: a}}}}}
    """
    And given these events are published:
    """yaml
    - {when: start, type: a, data: early}
    - {type: a, data: late}
    """
    Then the workflow should complete with output:
    """yaml
    [late]
    """

  Scenario: A task that looks back consumes events from before it, and none of them twice
    Given a workflow with definition:
    """yaml
    do:
      - w: {wait: {milliseconds: 700}}
      - f:
          for: {each: x, in: '[1, 2]'}
          do:
            - l: {metadata: {lookback: PT10S}, listen: {to: {one: {with: {type: a}}}}}
            - s: {set: {got: '${ . }'}, export: {as: '{all: (($context.all // []) + .got)}'}}
      - t: {set: {all: '${ $context.all }'}}
    """
    And given these events are published:
    """yaml
    - {when: start, type: a, data: 1}
    - {when: start, type: a, data: 2}
    """
    Then the workflow should complete with output:
    """yaml
    {all: [1, 2]}
    """

  Scenario: An event that is published twice counts once
    Given a workflow with definition:
    """yaml
    do: [{l: {listen: {to: {any: [{with: {type: a}}], until: length == 2}}}}]
    """
    And given these events are published:
    """yaml
    - {type: a, id: same, data: 1}
    - {type: a, id: same, data: 1}
    - {type: a, id: other, data: 2}
    """
    Then the workflow should complete with output:
    """yaml
    [1, 2]
    """

  Scenario: A listener that times out can be caught
    Given a workflow with definition:
    """yaml
    do:
      - t:
          try: [{l: {listen: {to: {one: {with: {type: never}}}}, timeout: {after: {milliseconds: 50}}}}]
          catch: {errors: {with: {status: 408}}, do: [{s: {set: {gave: up}}}]}
    """
    Then the workflow should complete with output:
    """yaml
    {gave: up}
    """

  Scenario: A listener that is cancelled ends
    Given a workflow with definition:
    """yaml
    do: [{l: {listen: {to: {one: {with: {type: never}}}}}}]
    """
    And given the run is cancelled while it waits
    Then the workflow should cancel
    And 'l' has been cancelled

  Scenario: Competing listeners: the event that comes decides
    Given a workflow with definition:
    """yaml
    do:
      - f:
          fork:
            compete: true
            branches:
              - yes: {listen: {to: {one: {with: {type: yes}}}}}
              - no: {listen: {to: {one: {with: {type: no}}}}}
    """
    And given these events are published:
    """yaml
    - {type: no, data: refused}
    """
    Then the workflow should complete with output:
    """yaml
    [refused]
    """

  Scenario: A run is answered by another that it caused
    Given a workflow 'answer' with definition:
    """yaml
    do:
      - l: {listen: {to: {one: {with: {type: ask}}}}}
      - e: {emit: {event: {with: {source: /answer, type: told, data: '${ .[0] + 1 }'}}}}
    """
    And a workflow with definition:
    """yaml
    do:
      - f:
          fork:
            branches:
              - other: {run: {workflow: {namespace: '{ns}', name: answer, version: 1.0.0}}}
              - me: {listen: {to: {one: {with: {type: told, source: /answer}}}}}
      - s: {set: {told: '${ .[1][0] }'}}
    """
    And given these events are published:
    """yaml
    - {type: ask, data: 41}
    - {type: ask, data: 41}
    """
    Then the workflow should complete with output:
    """yaml
    {told: 42}
    """

  Scenario: Emit gives the event with what the author left out, and its output is the event
    Given a workflow with definition:
    """yaml
    do:
      - e: {emit: {event: {with: {source: 'https://x.example', type: com.x.out, data: {n: '${ .n }'}}}}}
      - s: {set: {type: '${ .type }', source: '${ .source }', n: '${ .data.n }', id: '${ .id | length > 0 }', v: '${ .specversion }'}}
    """
    And given the workflow input is:
    """yaml
    {n: 5}
    """
    Then the workflow should complete with output:
    """yaml
    {type: com.x.out, source: 'https://x.example', n: 5, id: true, v: '1.0'}
    """

  Scenario Outline: What is no CloudEvent is not emitted, and the task says so
    Given a workflow with definition:
    """yaml
    do: [{e: {try: [{s: {emit: {event: {with: {type: '${ .type }', <attribute>: '${ .value }'}}}}}], catch: {do: [{h: {set: '${ [$error.status, ($error.type | endswith("/validation")), $error.instance] }'}}]}}}]
    """
    And given the workflow input is:
    """yaml
    {type: <type>, value: <value>}
    """
    Then the workflow should complete with output:
    """yaml
    [400, true, /do/0/e/try/0/s]
    """
    Examples:
      | type | attribute | value |
      | '' | subject | x |
      | com.example.x | Order_Number | x |
      | com.example.x | order | {id: 1} |
      | com.example.x | time | yesterday |
      | com.example.x | source | 'no URI' |
      | "com.example.\x07" | subject | x |
