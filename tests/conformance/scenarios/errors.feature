Feature: Try, retry, timeouts
  What is caught, how often and how long something is tried, and how much time it may take.

  Scenario Outline: A catch takes errors by their members and by conditions
    Given a workflow with definition:
    """yaml
    do:
      - t:
          try: [{r: {raise: {error: {type: 'https://example.com/e', status: 503, title: Broken, detail: why}}}}]
          catch: {<catch>, do: [{s: {set: {caught: true}}}]}
    """
    Then the workflow should complete with output:
    """yaml
    {caught: true}
    """
    Examples:
      | catch |
      | errors: {with: {type: 'https://example.com/e'}} |
      | errors: {with: {status: 503}} |
      | errors: {with: {status: 503, title: Broken}} |
      | errors: {with: {instance: /do/0/t/try/0/r}} |
      | when: $error.status == 503 |
      | when: '${ $error.detail == "why" }' |
      | exceptWhen: $error.status == 500 |
      | as: problem, when: $problem.status == 503 |
      | errors: {with: {status: 503}}, when: $error.title == "Broken", exceptWhen: $error.status < 500 |

  Scenario Outline: What the catch does not mean goes on
    Given a workflow with definition:
    """yaml
    do:
      - t:
          try: [{r: {raise: {error: {type: 'https://example.com/e', status: 503, title: Broken}}}}]
          catch: {<catch>, do: [{s: {set: {caught: true}}}]}
    """
    Then the workflow should fault with error:
    """yaml
    {type: 'https://example.com/e', status: 503, instance: /do/0/t/try/0/r}
    """
    Examples:
      | catch |
      | errors: {with: {type: 'https://example.com/other'}} |
      | errors: {with: {status: 500}} |
      | errors: {with: {status: 503, title: Other}} |
      | when: $error.status == 500 |
      | exceptWhen: $error.status == 503 |

  Scenario: The error is known under its name in the handler
    Given a workflow with definition:
    """yaml
    do:
      - t:
          try: [{r: {raise: {error: {type: 'https://example.com/e', status: 503, detail: why}}}}]
          catch: {as: problem, do: [{s: {set: {why: '${ $problem.detail }', status: '${ $problem.status }'}}}]}
    """
    Then the workflow should complete with output:
    """yaml
    {why: why, status: 503}
    """

  Scenario: A catch without a handler completes the task with its input
    Given a workflow with definition:
    """yaml
    do:
      - t: {try: [{r: {raise: {error: {type: 'https://example.com/e', status: 503}}}}], catch: {errors: {with: {status: 503}}}}
      - s: {set: {n: '${ .n }'}}
    """
    And given the workflow input is:
    """yaml
    {n: 7}
    """
    Then the workflow should complete with output:
    """yaml
    {n: 7}
    """

  Scenario: What the handler raises leaves the try
    Given a workflow with definition:
    """yaml
    do:
      - t:
          try: [{r: {raise: {error: {type: 'https://example.com/e', status: 503}}}}]
          catch: {do: [{again: {raise: {error: {type: 'https://example.com/f', status: 500}}}}]}
    """
    Then the workflow should fault with error:
    """yaml
    {type: 'https://example.com/f', status: 500, instance: /do/0/t/catch/do/0/again}
    """

  Scenario: Then of a catch says where the flow goes
    Given a workflow with definition:
    """yaml
    do:
      - t: {try: [{r: {raise: {error: {type: 'https://example.com/e', status: 503}}}}], catch: {then: last, do: [{s: {set: {at: handler}}}]}}
      - between: {set: {at: between}}
      - last: {set: {at: '${ .at }'}}
    """
    Then the workflow should complete with output:
    """yaml
    {at: handler}
    """

  Scenario Outline: A call is tried again as often as the policy says
    Given a workflow with definition:
    """yaml
    use: {retries: {named: {delay: {milliseconds: 5}, limit: {attempt: {count: 4}}}}}
    do:
      - t:
          try: [{c: {call: http, with: {method: get, endpoint: '{stub}/flaky/{ns}/<fails>'}}}]
          catch: {errors: {with: {status: 503}}, retry: <retry>}
    """
    Then the workflow should complete with output:
    """yaml
    {tries: <tries>}
    """
    Examples:
      | fails | retry | tries |
      | 2 | {delay: {milliseconds: 5}, limit: {attempt: {count: 3}}} | 3 |
      | 3 | {delay: {milliseconds: 5}, backoff: {constant: {}}, limit: {attempt: {count: 3}}} | 4 |
      | 2 | {delay: {milliseconds: 5}, backoff: {linear: {}}, limit: {attempt: {count: 3}}} | 3 |
      | 2 | {delay: {milliseconds: 5}, backoff: {exponential: {}}, limit: {attempt: {count: 3}}} | 3 |
      | 1 | {delay: {milliseconds: 5}, jitter: {from: {milliseconds: 1}, to: {milliseconds: 9}}, limit: {attempt: {count: 2}}} | 2 |
      | 4 | named | 5 |
      | 2 | {when: $error.status == 503, delay: {milliseconds: 5}, limit: {attempt: {count: 3}}} | 3 |
      | 2 | {exceptWhen: $error.status == 500, delay: {milliseconds: 5}, limit: {attempt: {count: 3}}} | 3 |
      | 1 | {delay: PT0.005S, limit: {attempt: {count: 1, duration: {seconds: 5}}}} | 2 |
      | 1 | {delay: {milliseconds: 5}, limit: {duration: {seconds: 20}}} | 2 |

  Scenario Outline: When the policy gives up, the error goes on
    Given a workflow with definition:
    """yaml
    do:
      - t:
          try: [{c: {call: http, with: {method: get, endpoint: '{stub}/flaky/{ns}/9'}}}]
          catch: {errors: {with: {status: 503}}, retry: <retry>}
    """
    Then the workflow should fault with error:
    """yaml
    {status: 503, instance: /do/0/t/try/0/c}
    """
    Examples:
      | retry |
      | {delay: {milliseconds: 5}, limit: {attempt: {count: 2}}} |
      | {when: $error.status == 500, delay: {milliseconds: 5}, limit: {attempt: {count: 20}}} |
      | {exceptWhen: $error.status == 503, delay: {milliseconds: 5}, limit: {attempt: {count: 20}}} |
      | {delay: {milliseconds: 100}, limit: {duration: {milliseconds: 150}}} |

  Scenario: When retries are exhausted the handler runs
    Given a workflow with definition:
    """yaml
    do:
      - t:
          try: [{c: {call: http, with: {method: get, endpoint: '{stub}/status/503'}}}]
          catch: {errors: {with: {status: 503}}, retry: {delay: {milliseconds: 5}, limit: {attempt: {count: 2}}}, do: [{s: {set: {gave: up}}}]}
    """
    Then the workflow should complete with output:
    """yaml
    {gave: up}
    """

  Scenario Outline: A task that takes too long faults with a timeout
    Given a workflow with definition:
    """yaml
    use: {timeouts: {short: {after: {milliseconds: 40}}}}
    do: [{t: {<task>, timeout: <timeout>}}]
    """
    Then the workflow should fault with error:
    """yaml
    type: https://open-workflow-specification.org/spec/1.0.0/errors/timeout
    status: 408
    instance: /do/0/t
    """
    Examples:
      | task | timeout |
      | wait: {hours: 1} | {after: {milliseconds: 40}} |
      | wait: {hours: 1} | {after: PT0.04S} |
      | wait: {hours: 1} | short |
      | do: [{w: {wait: {hours: 1}}}] | short |
      | for: {each: x, in: '[1]'}, do: [{w: {wait: {hours: 1}}}] | short |
      | fork: {branches: [{w: {wait: {hours: 1}}}]} | short |
      | listen: {to: {one: {with: {type: never}}}} | short |
      | try: [{w: {wait: {hours: 1}}}], catch: {} | short |

  Scenario: A workflow that takes too long faults with a timeout
    Given a workflow with definition:
    """yaml
    timeout: {after: {milliseconds: 60}}
    do: [{t: {wait: {hours: 1}}}]
    """
    Then the workflow should fault with error:
    """yaml
    {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/timeout', status: 408}
    """

  Scenario: A timeout inside a try is caught there
    Given a workflow with definition:
    """yaml
    do:
      - t:
          try: [{w: {wait: {hours: 1}, timeout: {after: {milliseconds: 40}}}}]
          catch: {errors: {with: {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/timeout'}}, do: [{s: {set: {late: true}}}]}
    """
    Then the workflow should complete with output:
    """yaml
    {late: true}
    """

  Scenario Outline: A condition that cannot be evaluated is an error of its own
    Given a workflow with definition:
    """yaml
    do: [{t: {try: [{r: {raise: {error: {type: 'https://e.x/y', status: 418}}}}], catch: {<catch>, do: [{h: {set: {handled: true}}}]}}}]
    """
    Then the workflow should fault with error:
    """yaml
    {type: 'https://open-workflow-specification.org/spec/1.0.0/errors/expression', status: 400, instance: /do/0/t}
    """
    Examples:
      | catch |
      | when: '1 + "x"' |
      | exceptWhen: '$error \| error("no")' |
      | retry: {when: '.a.b \| error("no")', delay: {milliseconds: 1}, limit: {attempt: {count: 2}}} |
      | retry: {exceptWhen: '1 + "x"', delay: {milliseconds: 1}, limit: {attempt: {count: 2}}} |
