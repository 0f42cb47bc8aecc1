/** As far as it is used here: https://github.com/commonmark/commonmark.js */
declare module "commonmark" {
  export interface Node {
    readonly type: string;
    readonly literal: string | null;
    walker(): { next(): { readonly entering: boolean; readonly node: Node } | null };
  }
  export class Parser {
    parse(markdown: string): Node;
  }
  export class HtmlRenderer {
    render(node: Node): string;
  }
}
