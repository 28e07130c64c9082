// State machines that the tests show: made here, so that each says what it is for.

// Thirty states: an order, as in any shop. A Parallel, a Map in a branch, Choices, catchers, and a shipment that fails as
// often as its input says.
export function order() {
  const pass = (next, more = {}) => ({ Type: 'Pass', ...(next ? { Next: next } : { End: true }), ...more });
  const toCompensate = [{ ErrorEquals: ['States.ALL'], ResultPath: '$.failure', Next: 'Compensate' }];
  return {
    Comment: 'Takes an order to the customer',
    StartAt: 'Validate',
    States: {
      Validate: pass('Complete?'),
      'Complete?': { Type: 'Choice', Choices: [{ Variable: '$.items', IsPresent: false, Next: 'Reject' }, { Variable: '$.total', NumericGreaterThan: 5000, Next: 'Review' }], Default: 'Reserve' },
      Review: pass('Approved?'),
      'Approved?': { Type: 'Choice', Choices: [{ Variable: '$.approved', BooleanEquals: false, Next: 'Reject' }], Default: 'Reserve' },
      Reserve: pass('Prepare'),
      Prepare: {
        Type: 'Parallel',
        Branches: [
          { StartAt: 'Authorise', States: { Authorise: pass('Card?'), 'Card?': { Type: 'Choice', Choices: [{ Variable: '$.newCard', IsPresent: true, Next: 'Tokenise' }], Default: 'Capture' }, Tokenise: pass('Capture'), Capture: pass() } },
          {
            StartAt: 'Pack',
            States: {
              Pack: {
                Type: 'Map', ItemsPath: '$.items', MaxConcurrency: 3, End: true,
                ItemProcessor: { StartAt: 'Pick', States: { Pick: pass('Fragile?'), 'Fragile?': { Type: 'Choice', Choices: [{ Variable: '$.fragile', BooleanEquals: true, Next: 'Wrap' }], Default: 'Box' }, Wrap: pass('Box'), Box: pass() } },
              },
            },
          },
          { StartAt: 'Tax', States: { Tax: pass('Invoice'), Invoice: pass() } },
        ],
        ResultPath: '$.prepared', Catch: toCompensate, Next: 'Weigh',
      },
      Weigh: pass('Heavy?'),
      'Heavy?': { Type: 'Choice', Choices: [{ Variable: '$.kg', NumericGreaterThan: 30, Next: 'Freight' }], Default: 'Ship' },
      Freight: pass('Ship'),
      Ship: {
        Type: 'Task', Resource: 'arn:ratchet:exec:::ship',
        Retry: [{ ErrorEquals: ['Carrier.Busy'], IntervalSeconds: 1, MaxAttempts: 2, BackoffRate: 1 }],
        Catch: [{ ErrorEquals: ['Carrier.Lost'], ResultPath: '$.failure', Next: 'Compensate' }],
        ResultPath: '$.shipment', Next: 'Delivered?',
      },
      'Delivered?': { Type: 'Choice', Choices: [{ Variable: '$.later', IsPresent: true, Next: 'Later' }], Default: 'Receipt' },
      Later: { Type: 'Wait', Seconds: 1, Next: 'Receipt' },
      Receipt: pass('Done'),
      Done: { Type: 'Succeed' },
      Compensate: pass('Refund'),
      Refund: pass('Tell'),
      Tell: pass('Lost'),
      Lost: { Type: 'Fail', Error: 'Order.Lost', Cause: 'It could not be shipped, and the money went back' },
      Reject: { Type: 'Fail', Error: 'Order.Rejected', Cause: 'The order is not complete' },
    },
  };
}

// `sh` decides: the input names a file; as long as it is there, the shipment fails.
export const ORDER_CONFIGURATION = `
exec:
  ship:
    program: /bin/sh
    args: ["-c", "echo looking >&2; if [ -e \\"$1\\" ]; then echo the carrier is busy >&2; exit 3; fi; echo '{\\"carrier\\": \\"north\\"}'", "ship", "{$.block}"]
    errors: { 3: Carrier.Busy, 4: Carrier.Lost }
  slow:
    program: /bin/sh
    args: ["-c", "for i in 1 2 3 4 5 6 7 8 9 10; do echo \\"line $i\\" >&2; echo \\"{\\\\\\"progress\\\\\\": 0.$((i - 1))}\\" >&2; sleep 0.3; done; echo '{}'"]
`;

// A chain with side ways, of `count` states.
export function long(count) {
  const states = {};
  for (let i = 0; i < count; i++) {
    const name = `S${i}`;
    const next = i + 1 < count ? `S${i + 1}` : null;
    if (i % 10 === 4 && i + 3 < count) states[name] = { Type: 'Choice', Choices: [{ Variable: '$.skip', NumericEquals: i, Next: `S${i + 3}` }], Default: next };
    else states[name] = { Type: 'Pass', ...(next ? { Next: next } : { End: true }) };
  }
  return { StartAt: 'S0', States: states };
}

// A Map whose items fail by their input: for item data that must not mix.
export function items(concurrency = 0) {
  return {
    StartAt: 'Each',
    States: {
      Each: {
        Type: 'Map', ItemsPath: '$.items', ...(concurrency ? { MaxConcurrency: concurrency } : {}), ToleratedFailurePercentage: 100, End: true,
        ItemProcessor: {
          ProcessorConfig: { Mode: 'INLINE' }, StartAt: 'Look',
          States: { Look: { Type: 'Pass', Next: 'Good?' }, 'Good?': { Type: 'Choice', Choices: [{ Variable: '$.bad', IsPresent: true, Next: 'Note' }], Default: 'Keep' }, Note: { Type: 'Pass', Parameters: { 'noted.$': '$.bad' }, End: true }, Keep: { Type: 'Pass', End: true } },
        },
      },
    },
  };
}

export const failing = { StartAt: 'Ship', States: { Ship: { Type: 'Task', Resource: 'arn:ratchet:exec:::ship', End: true } } };

// Names that would be markup, and longer than a box.
export const LONG_NAME = 'A name of exactly eighty characters, which no box of a graph can ever hold whole';
export const hostile = {
  StartAt: '<img src=x onerror=alert(1)>',
  States: {
    '<img src=x onerror=alert(1)>': { Type: 'Pass', Comment: '<script>alert(2)</script>', Next: '🚢 Verschiffen · Доставка' },
    '🚢 Verschiffen · Доставка': { Type: 'Pass', Next: LONG_NAME },
    [LONG_NAME]: { Type: 'Pass', Next: '"><svg onload=alert(3)>' },
    '"><svg onload=alert(3)>': { Type: 'Fail', Error: '<b>Bold</b>', Cause: '<script>document.title="stolen"</script>' },
  },
};
