# Completion of moneta-cli for fish, made by `npm run generate:documents`.
# Install it as moneta-cli.fish in a completions directory, such as ~/.config/fish/completions.

# The words of the line that are no options and no values of options, after the name of the program.
function __moneta_cli_given
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip -eq 1
            set skip 0
            continue
        end
        switch $word
            case '-c' '--config' '-D' '--directory' '-h' '--host' '-p' '--port' '-U' '--user' '-P' '--password' '--password-file' '--tls-mode' '--tls-ca' '--tls-cert' '--tls-key' '-L' '--logfile' '-F' '--format' '-C' '--compress' '-E' '--encrypt' '-s' '--sort' '--tablespace-map' '--tablespace-map-all' '--file' '--output'
                set skip 1
            case '-*'
            case '*'
                echo $word
        end
    end
end

# The daemon that the line names is asked, and nobody is asked for a password.
function __moneta_cli_ask
    set -l all (commandline -opc)
    set -l connection
    for at in (seq 2 (count $all))
        switch $all[$at]
            case -c -D -h -p -U --config --directory --host --port --user --password-file --tls-mode --tls-ca --tls-cert --tls-key
                set -a connection $all[$at] $all[(math $at + 1)]
            case '--config=*' '--directory=*' '--host=*' '--port=*' '--user=*' '--password-file=*' '--tls-mode=*' '--tls-ca=*' '--tls-cert=*' '--tls-key=*'
                set -a connection $all[$at]
        end
    end
    $all[1] $connection complete $argv </dev/null 2>/dev/null
end

# True when the line is that of the command.
function __moneta_cli_is
    set -l given (__moneta_cli_given)
    set -l last (count $argv)
    test (count $given) -ge $last; and test "$given[1..$last]" = "$argv"
end

function __moneta_cli_place
    set -l given (__moneta_cli_given)
    if test (count $given) -eq 0
        printf '%s\t%s\n' 'backup' 'Take a backup of a server' 'list-backup' 'List the backups of a server' 'info' 'Show everything that is recorded about one backup' 'restore' 'Restore a backup, to the end of its WAL or to a position' 'verify' 'Read a backup back and say whether it is what was stored' 'drill' 'Prove a backup: restore it into scratch space, start it there, check it' 'archive' 'Restore a backup into one tar file, which needs no repository any more' 'delete' 'Delete a backup' 'retain' 'Keep a backup whatever the retention says' 'expunge' 'Give a retained backup back to the retention' 'annotate' 'Write a comment to a backup' 'retention' 'Remove what the retention of a server does not keep' 'progress' 'Show how far the running job of a server is, or the conversion of a file' 'cancel' 'End a running or waiting job of a server, or the conversion of a file; nothing of it stays valid' 'mode' 'Take a server out of service or back; survives a restart of the daemon' 'check' 'Check a server and everything that its backups need' 'schedule' 'Show what runs by itself, when next, and how it went' 'key' 'Make a new data key, with which everything from now on is encrypted' 'lineage' 'Show which clusters a server was, or accept the one that has taken its place' 'compress' 'Compress a file in place' 'decompress' 'Decompress a file in place' 'encrypt' 'Encrypt a file in place, as pgmoneta does' 'decrypt' 'Decrypt a file in place' 'ping' 'Ask whether the daemon answers' 'status' 'Show space, servers and their WAL streams' 'notify' 'Send a test through every target of notifications' 'diagnose' 'Write a support bundle: all that helps to find out what is wrong, without secrets' 'clear' 'Reset the metrics that count lines of the log' 'shutdown' 'Stop the daemon' 'conf' 'Read the configuration again and put it in force' 'wal-push' 'archive_command: take one file of pg_wal into the repository'
        return
    end
    if test (count $given) -eq 1; and test $given[1] = key
        printf '%s\t%s\n' 'rotate' 'Make a new data key, with which everything from now on is encrypted'
    end
    if test (count $given) -eq 1; and test $given[1] = status
        printf '%s\t%s\n' 'details' 'Show the status with backups and running jobs'
    end
    if test (count $given) -eq 1; and test $given[1] = notify
        printf '%s\t%s\n' 'test' 'Send a test through every target of notifications'
    end
    if test (count $given) -eq 1; and test $given[1] = clear
        printf '%s\t%s\n' 'prometheus' 'Reset the metrics that count lines of the log'
    end
    if test (count $given) -eq 1; and test $given[1] = conf
        printf '%s\t%s\n' 'reload' 'Read the configuration again and put it in force' 'ls' 'Show the paths of the configuration files' 'get' 'Show the configuration that is in force, a section or one key of it' 'set' 'Change a key of the running daemon'
    end
    set -l depth 1
    test (count $given) -gt 1; and contains -- "$given[1] $given[2]" 'key rotate' 'status details' 'notify test' 'clear prometheus' 'conf reload' 'conf ls' 'conf get' 'conf set'; and set depth 2
    switch "$given[1..$depth] "(math (count $given) - $depth)
        case 'backup 0'
            __moneta_cli_ask servers
        case 'backup 1'
            printf '%s\n' newest oldest; __moneta_cli_ask backups $given[(math $depth + 1)]
        case 'list-backup 0'
            __moneta_cli_ask servers
        case 'info 0'
            __moneta_cli_ask servers
        case 'info 1'
            printf '%s\n' newest oldest; __moneta_cli_ask backups $given[(math $depth + 1)]
        case 'restore 0'
            __moneta_cli_ask servers
        case 'restore 1'
            printf '%s\n' newest oldest; __moneta_cli_ask backups $given[(math $depth + 1)]
        case 'restore 2'
            printf '%s\n' 'current'
        case 'restore 3'
            __fish_complete_directories (commandline -ct)
        case 'verify 0'
            __moneta_cli_ask servers
        case 'verify 1'
            printf '%s\n' newest oldest; __moneta_cli_ask backups $given[(math $depth + 1)]
        case 'verify 2'
            __fish_complete_directories (commandline -ct)
        case 'verify 3'
            printf '%s\n' 'failed' 'all'
        case 'drill 0'
            __moneta_cli_ask servers
        case 'drill 1'
            printf '%s\n' newest oldest; __moneta_cli_ask backups $given[(math $depth + 1)]
        case 'drill 2'
            printf '%s\n' 'current'
        case 'archive 0'
            __moneta_cli_ask servers
        case 'archive 1'
            printf '%s\n' newest oldest; __moneta_cli_ask backups $given[(math $depth + 1)]
        case 'archive 2'
            printf '%s\n' 'current'
        case 'archive 3'
            __fish_complete_directories (commandline -ct)
        case 'delete 0'
            __moneta_cli_ask servers
        case 'delete 1'
            printf '%s\n' newest oldest; __moneta_cli_ask backups $given[(math $depth + 1)]
        case 'retain 0'
            __moneta_cli_ask servers
        case 'retain 1'
            printf '%s\n' newest oldest; __moneta_cli_ask backups $given[(math $depth + 1)]
        case 'expunge 0'
            __moneta_cli_ask servers
        case 'expunge 1'
            printf '%s\n' newest oldest; __moneta_cli_ask backups $given[(math $depth + 1)]
        case 'annotate 0'
            __moneta_cli_ask servers
        case 'annotate 1'
            printf '%s\n' newest oldest; __moneta_cli_ask backups $given[(math $depth + 1)]
        case 'annotate 2'
            printf '%s\n' 'add' 'update' 'remove'
        case 'retention 0'
            __moneta_cli_ask servers
        case 'progress 0'
            __moneta_cli_ask servers
        case 'cancel 0'
            __moneta_cli_ask servers
        case 'mode 0'
            __moneta_cli_ask servers
        case 'mode 1'
            printf '%s\n' 'online' 'offline'
        case 'check 0'
            __moneta_cli_ask servers
        case 'schedule 0'
            __moneta_cli_ask servers
        case 'key rotate 0'
            __moneta_cli_ask servers
        case 'lineage 0'
            __moneta_cli_ask servers
        case 'lineage 1'
            printf '%s\n' 'accept'
        case 'compress 0'
            __fish_complete_path (commandline -ct)
        case 'decompress 0'
            __fish_complete_path (commandline -ct)
        case 'encrypt 0'
            __fish_complete_path (commandline -ct)
        case 'decrypt 0'
            __fish_complete_path (commandline -ct)
        case 'wal-push 0'
            __moneta_cli_ask servers
        case 'wal-push 1'
            __fish_complete_path (commandline -ct)
    end
end

complete -c moneta-cli -f
complete -c moneta-cli -a '(__moneta_cli_place)'
complete -c moneta-cli -s 'c' -l config -r -F -d 'configuration file of moneta-cli; /dev/null for none'
complete -c moneta-cli -s 'D' -l directory -x -a '(__fish_complete_directories)' -d 'directory of the configuration files'
complete -c moneta-cli -s 'h' -l host -x -d 'host of remote management'
complete -c moneta-cli -s 'p' -l port -x -d 'port of remote management'
complete -c moneta-cli -s 'U' -l user -x -d 'name for remote management; asked for without it'
complete -c moneta-cli -s 'P' -l password -x -d 'its password (for a moment others see it in the list of processes)'
complete -c moneta-cli -l password-file -r -F -d 'pass file with its password, as ~/.pgpass'
complete -c moneta-cli -l tls-mode -x -a 'disable prefer require verify-full' -d 'remote management: disable, prefer, require or verify-full'
complete -c moneta-cli -l tls-ca -r -F -d 'authority that the daemon\'s certificate is checked against'
complete -c moneta-cli -l tls-cert -r -F -d 'certificate that is shown to the daemon'
complete -c moneta-cli -l tls-key -r -F -d 'private key of that certificate'
complete -c moneta-cli -s 'L' -l logfile -r -F -d 'write a log to this file'
complete -c moneta-cli -s 'v' -l verbose -d 'say how it ended, with the error number'
complete -c moneta-cli -s 'F' -l format -x -a 'text json raw' -d 'text, json (translated) or raw'
complete -c moneta-cli -s 'C' -l compress -x -a 'none gz zstd lz4 bz2' -d 'compression of the messages: none, gz, zstd, lz4, bz2'
complete -c moneta-cli -s 'E' -l encrypt -x -a 'none aes aes256 aes192 aes128' -d 'encryption of the messages: none, aes, aes256, aes192, aes128'
complete -c moneta-cli -s 's' -l sort -x -a 'asc desc' -d 'list-backup: asc or desc'
complete -c moneta-cli -l cascade -d 'retain, expunge: also for the parents'
complete -c moneta-cli -l force -d 'delete: also when the backup is retained'
complete -c moneta-cli -l follow -d 'jobs, progress: show how far it is, until it ends'
complete -c moneta-cli -l offline -d 'work without a daemon: list-backup, info, restore, archive, verify, diagnose'
complete -c moneta-cli -s '?' -l help -d 'show this help'
complete -c moneta-cli -s 'V' -l version -d 'show the version'
complete -c moneta-cli -n '__moneta_cli_is restore' -l dry-run -d 'check everything, print the plan, write nothing'
complete -c moneta-cli -n '__moneta_cli_is restore' -l copy-wal -d 'copy the WAL into pg_wal instead of having it fetched by restore_command'
complete -c moneta-cli -n '__moneta_cli_is restore' -l tablespace-map -x -d 'where a tablespace, by name or OID, shall lie; for each of them'
complete -c moneta-cli -n '__moneta_cli_is restore' -l tablespace-map-all -x -a '(__fish_complete_directories)' -d 'directory that gets all tablespaces that are not mapped by themselves'
complete -c moneta-cli -n '__moneta_cli_is retention' -l dry-run -d 'print what would stay and go and why, remove nothing'
complete -c moneta-cli -n '__moneta_cli_is progress' -l file -x -d 'a file that the daemon compresses, decompresses, encrypts or decrypts, in place of a server'
complete -c moneta-cli -n '__moneta_cli_is cancel' -l file -x -d 'a file that the daemon compresses, decompresses, encrypts or decrypts, in place of a server'
complete -c moneta-cli -n '__moneta_cli_is check' -l nagios -d 'print as a plugin of Nagios: one line with figures, then what is wrong'
complete -c moneta-cli -n '__moneta_cli_is diagnose' -l output -r -F -d 'file of the bundle; moneta-diagnose-<time>.tar.gz in the present directory without it'
complete -c moneta-cli -n '__moneta_cli_is conf set' -l save -d 'write it to the configuration file as well'
complete -c moneta-cli -n '__moneta_cli_is wal-push' -l stdin -d 'the content comes from standard input'
