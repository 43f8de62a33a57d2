Feature: Data flow, expressions and schemas
  What goes into a task, what comes out of it, and what is kept in the context.

  Scenario Outline: A value that set gives replaces the input
    Given a workflow with definition:
    """yaml
    do: [{s: {set: <set>}}]
    """
    And given the workflow input is:
    """yaml
    {n: 3, name: Ada, list: [3, 1, 2], deep: {a: {b: 5}}}
    """
    Then the workflow should complete with output:
    """yaml
    <output>
    """
    Examples:
      | set                                         | output            |
      | {a: 1}                                      | {a: 1}            |
      | {a: '${ .n + 1 }'}                          | {a: 4}            |
      | '${ .deep }'                                | {a: {b: 5}}       |
      | {a: '${ .list \| sort }'}                   | {a: [1, 2, 3]}    |
      | {a: '${ "Hello \(.name)" }'}                | {a: Hello Ada}    |
      | {a: 'not ${ .n }'}                          | {a: 'not ${ .n }'} |
      | {a: [1, '${ .n }', {b: '${ .name }'}]}      | {a: [1, 3, {b: Ada}]} |
      | {a: '${ .missing }'}                        | {a: null}         |
      | {a: '${ .list \| map(. * 2) \| add }'}      | {a: 12}           |
      | {a: '${ $workflow.input.name }'}            | {a: Ada}          |
      | {a: '${ $task.name }'}                      | {a: s}            |
      | {a: '${ $task.reference }'}                 | {a: /do/0/s}      |
      | {a: '${ $workflow.definition.document.dsl }'} | {a: 1.0.3}      |
      | {a: '${ $runtime.name }'}                   | {a: tocsin}       |
      | {a: '${ $input.n }'}                        | {a: 3}            |

  Scenario Outline: Input is filtered, output is transformed, in the order of the language
    Given a workflow with definition:
    """yaml
    input: {from: '${ {v: .a} }'}
    output: {as: '${ {out: .} }'}
    do:
      - first: {<first>}
      - last: {set: {got: '${ . }', ctx: '${ $context }'}}
    """
    And given the workflow input is:
    """yaml
    {a: 7}
    """
    Then the workflow should complete with output:
    """yaml
    {out: <out>}
    """
    Examples:
      | first                                                            | out                                        |
      | set: {x: '${ .v }'}                                              | {got: {x: 7}, ctx: {v: 7}}                  |
      | input: {from: .v}, set: '${ {y: .} }'                            | {got: {y: 7}, ctx: {v: 7}}                  |
      | set: {x: 1}, output: {as: '.x'}                                  | {got: 1, ctx: {v: 7}}                       |
      | set: {x: 1}, output: {as: {z: '${ .x }'}}                        | {got: {z: 1}, ctx: {v: 7}}                  |
      | set: {x: 1}, export: {as: '$context + {c: .x}'}                  | {got: {x: 1}, ctx: {v: 7, c: 1}}            |
      | set: {x: 1}, output: {as: '.x + 1'}, export: {as: '{c: .}'}      | {got: 2, ctx: {c: 2}}                       |
      | set: {x: 1}, output: {as: '.x'}, export: {as: '{c: $output}'}    | {got: 1, ctx: {c: 1}}                       |
      | if: .v > 9, set: {x: 1}, export: {as: '{c: 1}'}                   | {got: {v: 7}, ctx: {v: 7}}                  |
      | if: '${ .v > 5 }', set: {x: 1}                                   | {got: {x: 1}, ctx: {v: 7}}                  |
      | if: .v > 9, set: {x: 1}, output: {as: '.x'}                      | {got: {v: 7}, ctx: {v: 7}}                  |

  Scenario Outline: A schema is checked on the raw input, the transformed output and the new context
    Given a workflow with definition:
    """yaml
    do: [{t: {<task>}}]
    """
    And given the workflow input is:
    """yaml
    {n: 1}
    """
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
    status: 400
    instance: /do/0/t
    """
    Examples:
      | task |
      | input: {schema: {document: {required: [m]}}}, set: {a: 1} |
      | input: {schema: {format: json, document: {properties: {n: {type: string}}}}, from: '{n: "x"}'}, set: {a: 1} |
      | set: {a: 1}, output: {schema: {document: {properties: {a: {type: string}}}}} |
      | set: {a: 1}, output: {as: '.a \| tostring', schema: {document: {type: integer}}} |
      | set: {a: 1}, export: {as: '{c: .a}', schema: {document: {required: [d]}}} |

  Scenario Outline: What agrees with its schema passes
    Given a workflow with definition:
    """yaml
    do: [{t: {<task>}}]
    """
    And given the workflow input is:
    """yaml
    {n: 1}
    """
    Then the workflow should complete with output:
    """yaml
    <output>
    """
    Examples:
      | task | output |
      | input: {schema: {document: {required: [n]}}}, set: {a: 1} | {a: 1} |
      | set: {a: 1}, output: {as: '.a \| tostring', schema: {document: {type: string}}} | '1' |
      | set: {a: 1}, export: {as: '{c: .a}', schema: {document: {required: [c]}}} | {a: 1} |

  Scenario Outline: The workflow's own schemas are checked, too
    Given a workflow with definition:
    """yaml
    <part>
    do: [{t: {set: {a: 1}}}]
    """
    And given the workflow input is:
    """yaml
    {n: 1}
    """
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/validation
    status: 400
    """
    Examples:
      | part |
      | input: {schema: {document: {required: [m]}}} |
      | output: {schema: {document: {required: [b]}}} |

  Scenario Outline: An expression that does not work faults the task with an expression error
    Given a workflow with definition:
    """yaml
    do: [{t: {<task>}}]
    """
    And given the workflow input is:
    """yaml
    {s: text}
    """
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/expression
    status: 400
    instance: /do/0/t
    """
    Examples:
      | task |
      | set: {a: '${ .s.x }'} |
      | set: {a: 1}, output: {as: '.a \| keys'} |
      | if: '.s \| error', set: {a: 1} |
      | input: {from: '.s + 1'}, set: {a: 1} |
      | wait: '${ .s }' |

  Scenario Outline: In loose mode any value is evaluated, and what does not evaluate is text
    Given a workflow with definition:
    """yaml
    evaluate: {mode: loose}
    do: [{t: {<task>}}]
    """
    And given the workflow input is:
    """yaml
    {n: 5, short: PT0.01S, word: a b}
    """
    Then the workflow should complete with output:
    """yaml
    <output>
    """
    Examples:
      | task | output |
      | set: {a: .n, b: 'plain words', c: '${ .n }', d: hello} | {a: 5, b: plain words, c: 5, d: hello} |
      | set: {a: '${ .n + }', b: .n.x} | {a: .n +, b: .n.x} |
      | set: .word | a b |
      | set: {a: 1}, output: {as: Done it} | Done it |
      | wait: .short, output: {as: .n} | 5 |
      | if: .n > 9, set: {a: 1}, then: end | {n: 5, short: PT0.01S, word: a b} |
      | call: http, with: {method: post, endpoint: '{stub}/echo/x', body: {w: .word, t: some text}}, output: {as: .body} | {w: a b, t: some text} |
      | run: {shell: {command: 'echo "$1"', arguments: [.word]}} | a b |

  Scenario Outline: The URIs that the engine makes are templates
    Given a workflow with definition:
    """yaml
    do: [{t: {try: [{r: {raise: {error: {type: 'https://example.com/{kind}/{none}', status: 400}}}}], catch: {do: [{h: {set: '${ $error.type }'}}]}}}]
    """
    And given the workflow input is:
    """yaml
    {kind: <kind>}
    """
    Then the workflow should complete with output:
    """yaml
    <type>
    """
    Examples:
      | kind | type |
      | 7 | https://example.com/7/ |
      | a b | https://example.com/a%20b/ |
      | [1] | https://open-workflow-specification.org/spec/1.0.0/errors/expression |

  Scenario Outline: Every argument of the language is there where the language has it
    Given a workflow with definition:
    """yaml
    document: {version: 2.1.0, title: T}
    input: {from: '${ {n: .n, given: $workflow.input.n} }'}
    do:
      - first: {set: {a: 1}, export: {as: '${ {c: .a, out: $output.a} }'}}
      - look: {metadata: {m: 1}, input: {from: '${ {i: .a} }'}, set: '${ <look> }'}
    """
    And given the workflow input is:
    """yaml
    {n: 5}
    """
    Then the workflow should complete with output:
    """yaml
    <output>
    """
    Examples:
      | look | output |
      | $context | {c: 1, out: 1} |
      | $input | {i: 1} |
      | [$task.name, $task.reference, $task.definition.metadata.m, $task.input] | [look, /do/1/look, 1, {a: 1}] |
      | [($task.startedAt.iso8601 \| type), ($task.startedAt.epoch.seconds \| type), ($task.startedAt.epoch.milliseconds >= $workflow.startedAt.epoch.milliseconds)] | [string, number, true] |
      | [($workflow.id \| length > 0), $workflow.input, $workflow.definition.document.title, $workflow.definition.document.version] | [true, {n: 5}, T, 2.1.0] |
      | ($workflow.startedAt.iso8601 \| test("^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z\|[+-][0-9]{2}:[0-9]{2})$")) | true |
      | [($runtime.name \| type), ($runtime.version \| type), ($runtime.metadata \| type)] | [string, string, object] |

  Scenario Outline: The raw output of a task is known to what transforms it
    Given a workflow with definition:
    """yaml
    do: [{t: {set: {a: 1}, output: {as: '${ {was: $task.output, in: $input, dot: .} }'}, export: {as: '${ <export> }'}}}, {c: {set: '${ $context }'}}]
    """
    And given the workflow input is:
    """yaml
    {n: 5}
    """
    Then the workflow should complete with output:
    """yaml
    <output>
    """
    Examples:
      | export | output |
      | . | {was: {a: 1}, in: {n: 5}, dot: {a: 1}} |
      | $output.was | {a: 1} |
      | $input | {n: 5} |
      | [$task.output, $context] | [{a: 1}, {n: 5}] |

  Scenario Outline: Data is never taken for an expression, wherever it comes from
    Given a workflow with definition:
    """yaml
    do:
      - a: {set: {x: '${ .x }'}}
      - b: <task>
    """
    And given the workflow input is:
    """yaml
    {x: '${ 1 + 1 }', y: '{x}'}
    """
    Then the workflow should complete with output:
    """yaml
    <output>
    """
    Examples:
      | task | output |
      | {set: '${ . }'} | {x: '${ 1 + 1 }'} |
      | {set: {z: ['${ .x }']}} | {z: ['${ 1 + 1 }']} |
      | {call: http, with: {method: post, endpoint: '{stub}/echo', body: {x: '${ .x }'}}, output: {as: .body}} | {x: '${ 1 + 1 }'} |
      | {run: {shell: {command: 'printf %s "$1"', arguments: ['${ .x }']}}} | ${ 1 + 1 } |
      | {run: {shell: {command: 'printf %s "$X"', environment: {X: '${ .x }'}}}} | ${ 1 + 1 } |
      | {emit: {event: {with: {type: t, data: '${ .x }'}}}, output: {as: .data}} | ${ 1 + 1 } |
      | {for: {each: i, in: '${ [.x] }'}, do: [{s: {set: '${ [$i] }'}}]} | ['${ 1 + 1 }'] |

  Scenario Outline: Only simple values stand for a name in a URI, and a missing one for nothing
    Given a workflow with definition:
    """yaml
    do: [{c: {try: [{t: {call: http, with: {method: get, endpoint: '{stub}/echo/x{v}'}, output: {as: .path}}}], catch: {do: [{h: {set: '${ [$error.status, ($error.type | endswith("/expression"))] }'}}]}}}]
    """
    And given the workflow input is:
    """yaml
    <input>
    """
    Then the workflow should complete with output:
    """yaml
    <output>
    """
    Examples:
      | input | output |
      | {v: 7} | /echo/x7 |
      | {v: true} | /echo/xtrue |
      | {v: null} | /echo/x |
      | {} | /echo/x |
      | {v: a/b c} | /echo/xa%2Fb%20c |
      | {v: [1]} | [400, true] |
      | {v: {w: 1}} | [400, true] |
