/// <reference path="./interfaces/taskhost-policy-about.d.ts" />
/// <reference path="./interfaces/taskhost-policy-assignment.d.ts" />
/// <reference path="./interfaces/taskhost-policy-board.d.ts" />
/// <reference path="./interfaces/taskhost-policy-clock.d.ts" />
/// <reference path="./interfaces/taskhost-policy-files.d.ts" />
/// <reference path="./interfaces/taskhost-policy-lifecycle.d.ts" />
/// <reference path="./interfaces/taskhost-policy-locks.d.ts" />
/// <reference path="./interfaces/taskhost-policy-log.d.ts" />
/// <reference path="./interfaces/taskhost-policy-random.d.ts" />
/// <reference path="./interfaces/taskhost-policy-readiness.d.ts" />
/// <reference path="./interfaces/taskhost-policy-recovery.d.ts" />
/// <reference path="./interfaces/taskhost-policy-settings.d.ts" />
/// <reference path="./interfaces/taskhost-policy-transactions.d.ts" />
/// <reference path="./interfaces/taskhost-policy-types.d.ts" />
declare module 'taskhost:policy/everything@0.1.0' {
  export type * as TaskhostPolicyBoard010 from 'taskhost:policy/board@0.1.0'; // import taskhost:policy/board@0.1.0
  export type * as TaskhostPolicyClock010 from 'taskhost:policy/clock@0.1.0'; // import taskhost:policy/clock@0.1.0
  export type * as TaskhostPolicyFiles010 from 'taskhost:policy/files@0.1.0'; // import taskhost:policy/files@0.1.0
  export type * as TaskhostPolicyLocks010 from 'taskhost:policy/locks@0.1.0'; // import taskhost:policy/locks@0.1.0
  export type * as TaskhostPolicyLog010 from 'taskhost:policy/log@0.1.0'; // import taskhost:policy/log@0.1.0
  export type * as TaskhostPolicyRandom010 from 'taskhost:policy/random@0.1.0'; // import taskhost:policy/random@0.1.0
  export type * as TaskhostPolicySettings010 from 'taskhost:policy/settings@0.1.0'; // import taskhost:policy/settings@0.1.0
  export type * as TaskhostPolicyTransactions010 from 'taskhost:policy/transactions@0.1.0'; // import taskhost:policy/transactions@0.1.0
  export type * as TaskhostPolicyTypes010 from 'taskhost:policy/types@0.1.0'; // import taskhost:policy/types@0.1.0
  export * as about from 'taskhost:policy/about@0.1.0'; // export taskhost:policy/about@0.1.0
  export * as readiness from 'taskhost:policy/readiness@0.1.0'; // export taskhost:policy/readiness@0.1.0
  export * as assignment from 'taskhost:policy/assignment@0.1.0'; // export taskhost:policy/assignment@0.1.0
  export * as lifecycle from 'taskhost:policy/lifecycle@0.1.0'; // export taskhost:policy/lifecycle@0.1.0
  export * as recovery from 'taskhost:policy/recovery@0.1.0'; // export taskhost:policy/recovery@0.1.0
}
