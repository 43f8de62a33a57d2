Feature: Control flow
  Sequence, then, if, switch, for, fork, raise.

  Scenario Outline: Then says where the flow goes
    Given a workflow with definition:
    """yaml
    do:
      - a: {if: '${ true }', set: {path: [a]}, then: <then>}
      - b: {set: {path: '${ .path + ["b"] }'}}
      - c: {if: '${ true }', set: {path: '${ .path + ["c"] }'}, then: <last>}
      - d: {set: {path: '${ .path + ["d"] }'}}
    """
    Then the workflow should complete with output:
    """yaml
    {path: <path>}
    """
    Examples:
      | then     | last     | path         |
      | continue | continue | [a, b, c, d] |
      | c        | continue | [a, c, d]    |
      | d        | exit     | [a, d]       |
      | end      | continue | [a]          |
      | exit     | continue | [a]          |
      | continue | end      | [a, b, c]    |
      | continue | exit     | [a, b, c]    |

  Scenario Outline: Exit leaves the list, end ends the workflow
    Given a workflow with definition:
    """yaml
    do:
      - outer: {do: [{a: {if: .go, set: {at: a}, then: <then>}}, {b: {set: {at: b}}}]}
      - after: {set: {at: '${ .at + "+after" }'}}
    """
    And given the workflow input is:
    """yaml
    {go: true}
    """
    Then the workflow should complete with output:
    """yaml
    {at: <at>}
    """
    Examples:
      | then     | at      |
      | continue | b+after |
      | exit     | a+after |
      | end      | a       |

  Scenario Outline: A skipped task is followed by the next, not by its then
    Given a workflow with definition:
    """yaml
    do:
      - a: {if: <if>, set: {at: a}, then: end}
      - b: {set: {at: b}}
    """
    Then the workflow should complete with output:
    """yaml
    {at: <at>}
    """
    Examples:
      | if                  | at |
      | '${ false }'        | b  |
      | '${ null }'         | b  |
      | '${ true }'         | a  |
      | '${ 0 }'            | a  |

  Scenario Outline: Switch takes the first case that holds, or its default
    Given a workflow with definition:
    """yaml
    do:
      - s:
          switch:
            - small: {when: .n < 10, then: s1}
            - even: {when: '${ .n % 2 == 0 }', then: s2}
            - other: {then: s3}
      - s1: {set: {at: small}, then: end}
      - s2: {set: {at: even}, then: end}
      - s3: {set: {at: other}, then: end}
    """
    And given the workflow input is:
    """yaml
    {n: <n>}
    """
    Then the workflow should complete with output:
    """yaml
    {at: <at>}
    """
    Examples:
      | n  | at    |
      | 4  | small |
      | 12 | even  |
      | 13 | other |

  Scenario: A switch that nothing meets goes on
    Given a workflow with definition:
    """yaml
    do:
      - s: {switch: [{never: {when: .n > 10, then: end}}]}
      - t: {set: {at: '${ .n }'}}
    """
    And given the workflow input is:
    """yaml
    {n: 4}
    """
    Then the workflow should complete with output:
    """yaml
    {at: 4}
    """

  Scenario Outline: For runs its body for each item, on what the last one gave
    Given a workflow with definition:
    """yaml
    do:
      - f:
          for: {<for>}
          <while>
          do: [{a: {set: {sum: '${ (.sum // 0) + <body> }'}}}]
    """
    And given the workflow input is:
    """yaml
    {list: [1, 2, 3], sum: 0}
    """
    Then the workflow should complete with output:
    """yaml
    <output>
    """
    Examples:
      | for                                  | while                | body     | output                   |
      | in: .list                            |                      | $item    | {sum: 6}                 |
      | each: x, in: .list                   |                      | $x       | {sum: 6}                 |
      | each: x, at: i, in: .list            |                      | $i       | {sum: 3}                 |
      | each: x, in: '${ .list }'            | while: .sum < 3      | $x       | {sum: 3}                 |
      | each: x, in: '[]'                    |                      | $x       | {list: [1, 2, 3], sum: 0} |
      | each: x, in: '[range(0; 50)]'        |                      | $x       | {sum: 1225}              |

  Scenario: Exit in the body of for ends the iteration only
    Given a workflow with definition:
    """yaml
    do:
      - f:
          for: {each: x, in: '[1, 2, 3]'}
          do: [{a: {if: $x > 0, set: {n: '${ (.n // 0) + $x }'}, then: exit}}, {b: {set: {n: 100}}}]
    """
    Then the workflow should complete with output:
    """yaml
    {n: 6}
    """

  Scenario: Fork gives the outputs of its branches in the order of their declaration
    Given a workflow with definition:
    """yaml
    do:
      - f:
          fork:
            branches:
              - slow: {do: [{w: {wait: {milliseconds: 120}}}, {s: {set: {n: 1}}}]}
              - fast: {set: {n: 2}}
              - third: {set: {n: 3}}
    """
    Then the workflow should complete with output:
    """yaml
    [{n: 1}, {n: 2}, {n: 3}]
    """

  Scenario: Competing branches: the first that completes gives the output, the others are cancelled
    Given a workflow with definition:
    """yaml
    do:
      - f:
          fork:
            compete: true
            branches:
              - slow: {do: [{w: {wait: {hours: 1}}}, {s: {set: {by: slow}}}]}
              - fast: {do: [{v: {wait: {milliseconds: 20}}}, {t: {set: {by: fast}}}]}
    """
    Then the workflow should complete with output:
    """yaml
    {by: fast}
    """
    And 'w' has been cancelled

  Scenario: A branch that faults does not win while another may still complete
    Given a workflow with definition:
    """yaml
    do:
      - f:
          fork:
            compete: true
            branches:
              - bad: {raise: {error: {type: 'https://example.com/bad', status: 500}}}
              - good: {do: [{v: {wait: {milliseconds: 50}}}, {t: {set: {by: good}}}]}
    """
    Then the workflow should complete with output:
    """yaml
    {by: good}
    """

  Scenario: A branch that faults faults the fork and cancels the others
    Given a workflow with definition:
    """yaml
    do:
      - f:
          fork:
            branches:
              - bad: {do: [{v: {wait: {milliseconds: 30}}}, {r: {raise: {error: {type: 'https://example.com/bad', status: 418}}}}]}
              - long: {do: [{w: {wait: {hours: 1}}}]}
    """
    Then the workflow should fault with error:
    """yaml
    {type: 'https://example.com/bad', status: 418, instance: /do/0/f/fork/branches/0/bad/do/1/r}
    """
    And 'w' has been cancelled

  Scenario Outline: Raise faults the workflow with the error as it is written or named
    Given a workflow with definition:
    """yaml
    use: {errors: {known: {type: 'https://example.com/known', status: 409, title: Known}}}
    do: [{r: {raise: {error: <error>}}}]
    """
    And given the workflow input is:
    """yaml
    {n: 7}
    """
    Then the workflow should fault with error:
    """yaml
    <wanted>
    """
    Examples:
      | error | wanted |
      | {type: 'https://example.com/e', status: 400, title: T, detail: D} | {type: 'https://example.com/e', status: 400, title: T, detail: D, instance: /do/0/r} |
      | known | {type: 'https://example.com/known', status: 409, title: Known, instance: /do/0/r} |
      | {type: 'https://example.com/e', status: 400, detail: '${ "n is \(.n)" }'} | {detail: n is 7} |
      | {type: 'https://example.com/e', status: 400, instance: /elsewhere} | {instance: /do/0/r} |

  Scenario Outline: Wait lasts as long as it says
    Given a workflow with definition:
    """yaml
    do: [{w: {wait: <duration>}}, {s: {set: {done: true}}}]
    """
    And given the workflow input is:
    """yaml
    {ms: 20}
    """
    Then the workflow should complete with output:
    """yaml
    {done: true}
    """
    Examples:
      | duration |
      | {milliseconds: 10} |
      | PT0.01S |
      | P0Y0M0W0DT0H0M0.01S |
      | P0D |
      | 'PT0,01S' |
      | {days: 0, hours: 0, minutes: 0, seconds: 0, milliseconds: 10} |
      | {seconds: 0} |
      | '${ "PT0.0\(.ms)S" }' |

  Scenario: A run that is cancelled while it waits ends as cancelled
    Given a workflow with definition:
    """yaml
    do: [{w: {wait: {hours: 1}}}]
    """
    And given the run is cancelled while it waits
    Then the workflow should cancel
    And 'w' has been cancelled

  Scenario: Extensions run around the tasks that they extend
    Given a workflow with definition:
    """yaml
    use:
      extensions:
        - log:
            extend: set
            before: [{b: {wait: {milliseconds: 1}}}]
            after: [{c: {wait: {milliseconds: 1}}}]
    do: [{s: {set: {a: 1}}}]
    """
    Then the workflow should complete with output:
    """yaml
    {a: 1}
    """
    And b should run before s
    And c should run after s

  Scenario: A function of use is called by its name
    Given a workflow with definition:
    """yaml
    use: {functions: {double: {set: {n: '${ .n * 2 }'}}}}
    do: [{d: {call: double}}]
    """
    And given the workflow input is:
    """yaml
    {n: 21}
    """
    Then the workflow should complete with output:
    """yaml
    {n: 42}
    """
