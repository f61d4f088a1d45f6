/// <reference path="./taskhost-policy-board.d.ts" />
/// <reference path="./taskhost-policy-transactions.d.ts" />
/// <reference path="./taskhost-policy-types.d.ts" />
declare module 'taskhost:policy/lifecycle@0.1.0' {
  export function onEvent(view: View, tx: Transaction, task: Task, event: string, detail: string): Answer;
  export type Millis = import('taskhost:policy/types@0.1.0').Millis;
  export type View = import('taskhost:policy/board@0.1.0').View;
  export type Task = import('taskhost:policy/board@0.1.0').Task;
  export type Transaction = import('taskhost:policy/transactions@0.1.0').Transaction;
  export type Answer = AnswerStandard | AnswerAccept | AnswerReview | AnswerRetry | AnswerRefused;
  export interface AnswerStandard {
    tag: 'standard',
  }
  export interface AnswerAccept {
    tag: 'accept',
  }
  /**
   * For `completed`: the task is `in-review` instead.
   */
  export interface AnswerReview {
    tag: 'review',
  }
  /**
   * For `failed`: the task is `pending` again, from this time on if one is given.
   */
  export interface AnswerRetry {
    tag: 'retry',
    val: Millis | undefined,
  }
  /**
   * Nothing of the whole command happens.
   */
  export interface AnswerRefused {
    tag: 'refused',
    val: string,
  }
}
