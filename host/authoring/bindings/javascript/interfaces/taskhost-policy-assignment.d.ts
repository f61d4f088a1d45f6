/// <reference path="./taskhost-policy-board.d.ts" />
/// <reference path="./taskhost-policy-transactions.d.ts" />
/// <reference path="./taskhost-policy-types.d.ts" />
declare module 'taskhost:policy/assignment@0.1.0' {
  export function choose(view: View, tx: Transaction, request: Request): Answer;
  export type Request = import('taskhost:policy/types@0.1.0').Request;
  export type View = import('taskhost:policy/board@0.1.0').View;
  export type Transaction = import('taskhost:policy/transactions@0.1.0').Transaction;
  export type Answer = AnswerStandard | AnswerStaged | AnswerNothing | AnswerRefused;
  /**
   * What the standard policy gives.
   */
  export interface AnswerStandard {
    tag: 'standard',
  }
  /**
   * One claim was staged.
   */
  export interface AnswerStaged {
    tag: 'staged',
  }
  /**
   * There is nothing for this asker now; the text may say why.
   */
  export interface AnswerNothing {
    tag: 'nothing',
    val: string | undefined,
  }
  /**
   * This asker may not ask so.
   */
  export interface AnswerRefused {
    tag: 'refused',
    val: string,
  }
}
