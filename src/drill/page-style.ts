/** How the page of a report looks: readable on paper, on a telephone, and in a dark room. */
export const pageStyle = `
:root{color-scheme:light dark;--ink:#1c2430;--soft:#5b6675;--line:#d9dfe7;--paper:#fff;--ground:#f3f5f8;--good:#13714a;--goodback:#e5f4ec;--bad:#b3261e;--badback:#fdeceb;--a:#3b6fb6;--b:#7a5ea8;--c:#2f8f83;--d:#b7791f}
@media (prefers-color-scheme:dark){:root{--ink:#e6eaf0;--soft:#9aa6b5;--line:#323c49;--paper:#1a2029;--ground:#11161d;--good:#5fd0a0;--goodback:#16302a;--bad:#ff8a80;--badback:#3a1d1c;--a:#6f9fe0;--b:#ab8fdb;--c:#5cc2b4;--d:#e0a84f}}
*{box-sizing:border-box}
body{margin:0;background:var(--ground);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI","Liberation Sans",Arial,sans-serif}
main{max-width:56rem;margin:2rem auto;padding:2rem;background:var(--paper);border:1px solid var(--line);border-radius:10px}
header{border-bottom:1px solid var(--line);padding-bottom:1rem}
h1{margin:0;font-size:1.9rem;line-height:1.2;overflow-wrap:anywhere}
h2{margin:0 0 .6rem;font-size:1.1rem}
h3{margin:0;font-size:1rem;display:flex;align-items:center;gap:.6rem}
p{margin:.3rem 0}
.kind,.when,.what,.took,.code,footer{color:var(--soft);font-size:.9rem}
.took{margin-left:auto;font-weight:400}
section{margin-top:1.8rem}
.verdict{padding:1rem 1.2rem;border-radius:8px;border-left:6px solid}
.proven .verdict{background:var(--goodback);border-color:var(--good)}.proven .verdict h2{color:var(--good)}
.failed .verdict{background:var(--badback);border-color:var(--bad)}.failed .verdict h2{color:var(--bad)}
.reason{overflow-wrap:anywhere}
.tiles{display:grid;grid-template-columns:repeat(auto-fit,minmax(11rem,1fr));gap:.8rem}
.tiles div{border:1px solid var(--line);border-radius:8px;padding:.8rem 1rem}
.verdict strong{white-space:nowrap}
.tiles p{margin:0;color:var(--soft);font-size:.85rem}.tiles strong{font-size:1.15rem}
.bar{display:flex;gap:2px;height:1.1rem;border-radius:6px;overflow:hidden}
.bar span{flex-basis:4px}
.restore{background:var(--a)}.replay{background:var(--b)}.amcheck{background:var(--c)}.sql{background:var(--d)}
.legend{display:flex;flex-wrap:wrap;gap:.3rem 1.4rem;list-style:none;margin:.6rem 0 0;padding:0;font-size:.9rem}
.legend i{display:inline-block;width:.75rem;height:.75rem;border-radius:3px;margin-right:.4rem}
dl{display:grid;grid-template-columns:minmax(10rem,max-content) 1fr;gap:.3rem 1.2rem;margin:0}
dt{color:var(--soft)}dd{margin:0;overflow-wrap:anywhere}
.check{border:1px solid var(--line);border-radius:8px;padding:.8rem 1rem;margin-bottom:.8rem}
.check .what{font-family:ui-monospace,"Liberation Mono",monospace;font-size:.8rem;overflow-wrap:anywhere}
.badge{font-size:.75rem;font-weight:600;padding:.1rem .55rem;border-radius:1rem;background:var(--line)}
.check.passed .badge{background:var(--goodback);color:var(--good)}.check.failed .badge{background:var(--badback);color:var(--bad)}
summary{cursor:pointer;color:var(--soft);font-size:.9rem}
pre{margin:.5rem 0 0;padding:.8rem;background:var(--ground);border-radius:6px;font-size:.8rem;line-height:1.4;white-space:pre-wrap;overflow-wrap:anywhere;max-height:24rem;overflow:auto}
table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.35rem .6rem .35rem 0;border-bottom:1px solid var(--line);overflow-wrap:anywhere}
th{font-size:.85rem;color:var(--soft)}td:last-child,th:last-child{text-align:right;white-space:nowrap}
ul{margin:.3rem 0;padding-left:1.2rem}
footer{margin-top:2rem;border-top:1px solid var(--line);padding-top:.8rem}
@media (max-width:36rem){main{margin:0;padding:1.2rem;border:0;border-radius:0}dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.5rem}}
@media print{body{background:none}main{margin:0;border:0;max-width:none}pre{max-height:none}}
`;
