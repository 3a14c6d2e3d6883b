# Completion of moneta-cli for bash, made by `npm run generate:documents`.
# Source it, or install it as /usr/share/bash-completion/completions/moneta-cli.

_moneta_cli_words() {
  COMPREPLY+=($(compgen -W "$1" -- "$cur"))
}

_moneta_cli_files() {
  compopt -o filenames 2>/dev/null
  local line
  while IFS= read -r line; do COMPREPLY+=("$line"); done < <(compgen "$1" -- "$cur")
}

# The daemon that the line names is asked, and nobody is asked for a password.
_moneta_cli_ask() {
  "${COMP_WORDS[0]}" "${connection[@]}" complete "$@" </dev/null 2>/dev/null
}

_moneta_cli() {
  COMPREPLY=()
  local cur=${COMP_WORDS[COMP_CWORD]} word before='' i depth=0 flags=''
  local -a given=() connection=()
  [[ $cur == = ]] && cur=''
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${COMP_WORDS[i]}
    # bash takes an equals sign for a word of its own.
    [[ $word == = ]] && continue
    if [[ -n $before ]]; then
      case $before in --config|--directory|--host|--port|--user|--password-file|--tls-mode|--tls-ca|--tls-cert|--tls-key|-c|-D|-h|-p|-U) connection+=("$before" "$word") ;; esac
      before=''
      continue
    fi
    case $word in
      -c|--config|-D|--directory|-h|--host|-p|--port|-U|--user|-P|--password|--password-file|--tls-mode|--tls-ca|--tls-cert|--tls-key|-L|--logfile|-F|--format|-C|--compress|-E|--encrypt|-s|--sort|--tablespace-map|--tablespace-map-all|--file|--file|--output) before=$word ;;
      -*) ;;
      *) given+=("$word") ;;
    esac
  done
  case $before in
    '') ;;
    -c|--config|--password-file|--tls-ca|--tls-cert|--tls-key|-L|--logfile|--output) _moneta_cli_files -f; return ;;
    -D|--directory|--tablespace-map-all) _moneta_cli_files -d; return ;;
    -h|--host|-p|--port|-U|--user|-P|--password|--tablespace-map|--file) :; return ;;
    --tls-mode) _moneta_cli_words 'disable prefer require verify-full'; return ;;
    -F|--format) _moneta_cli_words 'text json raw'; return ;;
    -C|--compress) _moneta_cli_words 'none gz zstd lz4 bz2'; return ;;
    -E|--encrypt) _moneta_cli_words 'none aes aes256 aes192 aes128'; return ;;
    -s|--sort) _moneta_cli_words 'asc desc'; return ;;
  esac
  case "${given[0]}" in
    '') _moneta_cli_words 'backup list-backup info restore verify drill archive delete retain expunge annotate retention progress cancel mode check schedule key lineage compress decompress encrypt decrypt ping status notify diagnose clear shutdown conf wal-push' ;;
    key) [[ ${#given[@]} -eq 1 ]] && _moneta_cli_words 'rotate' ;;
    status) [[ ${#given[@]} -eq 1 ]] && _moneta_cli_words 'details' ;;
    notify) [[ ${#given[@]} -eq 1 ]] && _moneta_cli_words 'test' ;;
    clear) [[ ${#given[@]} -eq 1 ]] && _moneta_cli_words 'prometheus' ;;
    conf) [[ ${#given[@]} -eq 1 ]] && _moneta_cli_words 'reload ls get set' ;;
  esac
  word=${given[0]}
  case $word in key|status|notify|clear|conf) [[ ${#given[@]} -gt 1 ]] && word+=" ${given[1]}" ;; esac
  case $word in
    'backup') depth=1; flags=''; case $((${#given[@]} - depth)) in 0) _moneta_cli_words "$(_moneta_cli_ask servers)" ;; 1) _moneta_cli_words "oldest newest $(_moneta_cli_ask backups "${given[depth]}")" ;; esac ;;
    'list-backup') depth=1; flags=''; case $((${#given[@]} - depth)) in 0) _moneta_cli_words "$(_moneta_cli_ask servers)" ;; esac ;;
    'info') depth=1; flags=''; case $((${#given[@]} - depth)) in 0) _moneta_cli_words "$(_moneta_cli_ask servers)" ;; 1) _moneta_cli_words "oldest newest $(_moneta_cli_ask backups "${given[depth]}")" ;; esac ;;
    'restore') depth=1; flags='--dry-run --copy-wal --tablespace-map --tablespace-map-all'; case $((${#given[@]} - depth)) in 0) _moneta_cli_words "$(_moneta_cli_ask servers)" ;; 1) _moneta_cli_words "oldest newest $(_moneta_cli_ask backups "${given[depth]}")" ;; 2) _moneta_cli_words 'current' ;; 3) _moneta_cli_files -d ;; esac ;;
    'verify') depth=1; flags=''; case $((${#given[@]} - depth)) in 0) _moneta_cli_words "$(_moneta_cli_ask servers)" ;; 1) _moneta_cli_words "oldest newest $(_moneta_cli_ask backups "${given[depth]}")" ;; 2) _moneta_cli_files -d ;; 3) _moneta_cli_words 'failed all' ;; esac ;;
    'drill') depth=1; flags=''; case $((${#given[@]} - depth)) in 0) _moneta_cli_words "$(_moneta_cli_ask servers)" ;; 1) _moneta_cli_words "oldest newest $(_moneta_cli_ask backups "${given[depth]}")" ;; 2) _moneta_cli_words 'current' ;; esac ;;
    'archive') depth=1; flags=''; case $((${#given[@]} - depth)) in 0) _moneta_cli_words "$(_moneta_cli_ask servers)" ;; 1) _moneta_cli_words "oldest newest $(_moneta_cli_ask backups "${given[depth]}")" ;; 2) _moneta_cli_words 'current' ;; 3) _moneta_cli_files -d ;; esac ;;
    'delete') depth=1; flags=''; case $((${#given[@]} - depth)) in 0) _moneta_cli_words "$(_moneta_cli_ask servers)" ;; 1) _moneta_cli_words "oldest newest $(_moneta_cli_ask backups "${given[depth]}")" ;; esac ;;
    'retain') depth=1; flags=''; case $((${#given[@]} - depth)) in 0) _moneta_cli_words "$(_moneta_cli_ask servers)" ;; 1) _moneta_cli_words "oldest newest $(_moneta_cli_ask backups "${given[depth]}")" ;; esac ;;
    'expunge') depth=1; flags=''; case $((${#given[@]} - depth)) in 0) _moneta_cli_words "$(_moneta_cli_ask servers)" ;; 1) _moneta_cli_words "oldest newest $(_moneta_cli_ask backups "${given[depth]}")" ;; esac ;;
    'annotate') depth=1; flags=''; case $((${#given[@]} - depth)) in 0) _moneta_cli_words "$(_moneta_cli_ask servers)" ;; 1) _moneta_cli_words "oldest newest $(_moneta_cli_ask backups "${given[depth]}")" ;; 2) _moneta_cli_words 'add update remove' ;; 3) : ;; 4) : ;; esac ;;
    'retention') depth=1; flags='--dry-run'; case $((${#given[@]} - depth)) in 0) _moneta_cli_words "$(_moneta_cli_ask servers)" ;; esac ;;
    'progress') depth=1; flags='--file'; case $((${#given[@]} - depth)) in 0) _moneta_cli_words "$(_moneta_cli_ask servers)" ;; 1) : ;; esac ;;
    'cancel') depth=1; flags='--file'; case $((${#given[@]} - depth)) in 0) _moneta_cli_words "$(_moneta_cli_ask servers)" ;; 1) : ;; esac ;;
    'mode') depth=1; flags=''; case $((${#given[@]} - depth)) in 0) _moneta_cli_words "$(_moneta_cli_ask servers)" ;; 1) _moneta_cli_words 'online offline' ;; esac ;;
    'check') depth=1; flags='--nagios'; case $((${#given[@]} - depth)) in 0) _moneta_cli_words "$(_moneta_cli_ask servers)" ;; esac ;;
    'schedule') depth=1; flags=''; case $((${#given[@]} - depth)) in 0) _moneta_cli_words "$(_moneta_cli_ask servers)" ;; esac ;;
    'key rotate') depth=2; flags=''; case $((${#given[@]} - depth)) in 0) _moneta_cli_words "$(_moneta_cli_ask servers)" ;; esac ;;
    'lineage') depth=1; flags=''; case $((${#given[@]} - depth)) in 0) _moneta_cli_words "$(_moneta_cli_ask servers)" ;; 1) _moneta_cli_words 'accept' ;; 2) : ;; esac ;;
    'compress') depth=1; flags=''; case $((${#given[@]} - depth)) in 0) _moneta_cli_files -f ;; esac ;;
    'decompress') depth=1; flags=''; case $((${#given[@]} - depth)) in 0) _moneta_cli_files -f ;; esac ;;
    'encrypt') depth=1; flags=''; case $((${#given[@]} - depth)) in 0) _moneta_cli_files -f ;; esac ;;
    'decrypt') depth=1; flags=''; case $((${#given[@]} - depth)) in 0) _moneta_cli_files -f ;; esac ;;
    'ping') depth=1; flags=''; ;;
    'status') depth=1; flags=''; ;;
    'status details') depth=2; flags=''; ;;
    'notify test') depth=2; flags=''; ;;
    'diagnose') depth=1; flags='--output'; ;;
    'clear prometheus') depth=2; flags=''; ;;
    'shutdown') depth=1; flags=''; ;;
    'conf reload') depth=2; flags=''; ;;
    'conf ls') depth=2; flags=''; ;;
    'conf get') depth=2; flags=''; case $((${#given[@]} - depth)) in 0) : ;; esac ;;
    'conf set') depth=2; flags='--save'; case $((${#given[@]} - depth)) in 0) : ;; 1) : ;; esac ;;
    'wal-push') depth=1; flags='--stdin'; case $((${#given[@]} - depth)) in 0) _moneta_cli_words "$(_moneta_cli_ask servers)" ;; 1) _moneta_cli_files -f ;; esac ;;
  esac
  [[ $cur == -* ]] && _moneta_cli_words "$flags --config --directory --host --port --user --password --password-file --tls-mode --tls-ca --tls-cert --tls-key --logfile --verbose --format --compress --encrypt --sort --cascade --force --follow --offline --help --version"
  return 0
}

complete -F _moneta_cli moneta-cli
