/// <reference path="./taskhost-policy-board.d.ts" />
/// <reference path="./taskhost-policy-transactions.d.ts" />
/// <reference path="./taskhost-policy-types.d.ts" />
declare module 'taskhost:policy/recovery@0.1.0' {
  export function recover(view: View, tx: Transaction, task: Task, cause: Cause): Answer;
  export type Millis = import('taskhost:policy/types@0.1.0').Millis;
  export type View = import('taskhost:policy/board@0.1.0').View;
  export type Task = import('taskhost:policy/board@0.1.0').Task;
  export type Transaction = import('taskhost:policy/transactions@0.1.0').Transaction;
  /**
   * # Variants
   * 
   * ## `"lease-over"`
   * 
   * ## `"holder-dead"`
   */
  export type Cause = 'lease-over' | 'holder-dead';
  export type Answer = AnswerStandard | AnswerRelease | AnswerKeepUntil | AnswerFail;
  export interface AnswerStandard {
    tag: 'standard',
  }
  /**
   * Pending again; the attempt stays counted.
   */
  export interface AnswerRelease {
    tag: 'release',
  }
  /**
   * Leave it with its holder until then: at least one second and at most 30 days ahead.
   * If the holder dies meanwhile, that isn't noticed before this time.
   */
  export interface AnswerKeepUntil {
    tag: 'keep-until',
    val: Millis,
  }
  export interface AnswerFail {
    tag: 'fail',
    val: string,
  }
}
