# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0
# What bash completes after "ipcdevctl". Commands and options are asked of
# ipcdevctl itself, so that there is nothing here to go stale.

# Names in /dev/ipc as they are; anything with a slash is a path.
_ipcdevctl_names()
{
	local word=$1 type=$2 file
	case $word in
	*/*)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -f -- "$word")
		return ;;
	esac
	for file in /dev/ipc/"$word"*; do
		# A queue's name is a FIFO, that of all else a regular file.
		[ "$type" = queue ] && [ ! -p "$file" ] && continue
		[[ $type = buffer || $type = engine ]] && [ ! -f "$file" ] && continue
		[ -e "$file" ] && COMPREPLY+=("${file##*/}")
	done
}

_ipcdevctl_backends()
{
	mapfile -t COMPREPLY < <(compgen -W "$(ipcdevctl engine list 2> /dev/null |
		sed '1d; s/ .*//')" -- "$1")
}

# What comes behind "ipcdevctl engine".
_ipcdevctl_engine()
{
	case $2 in
	'') mapfile -t COMPREPLY < <(compgen -W "list info test" -- "$1") ;;
	info) _ipcdevctl_names "$1" engine ;;
	test) _ipcdevctl_backends "$1" ;;
	esac
}

_ipcdevctl()
{
	local word=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]}
	local command=${COMP_WORDS[1]} words='' i first=''
	COMPREPLY=()

	if [ "$COMP_CWORD" = 1 ]; then
		words=$(ipcdevctl --help | sed -n 's/^  \([a-z]*\) .*/\1/p')
		mapfile -t COMPREPLY < <(compgen -W "$words --help --version" -- "$word")
		return
	fi
	case $word in
	-*)
		words=$(ipcdevctl "$command" --help 2> /dev/null |
			sed -n 's/^  -[a-zA-Z], \(--[a-z-]*=\{0,1\}\).*/\1/p')
		mapfile -t COMPREPLY < <(compgen -W "$words" -- "$word")
		[[ ${COMPREPLY[*]} == *= ]] && compopt -o nospace
		return ;;
	esac
	# An option's argument has nothing to complete.
	case $previous in
	= | --mode | --uid | --gid | --size | --depth | --msg-max | --bytes | \
	--prio | --tag | --count | --timeout | --delay | --position | \
	--offset | --length | --exec | --jobs | --history | --last | --backlog)
		return ;;
	--backend)
		_ipcdevctl_backends "$word"
		return ;;
	esac

	# The first word that is no option: what create makes, what engine does.
	for ((i = 2; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		-*) ;;
		*) first=${COMP_WORDS[i]}; break ;;
		esac
	done
	case $command in
	create) [ "$first" ] ||
		mapfile -t COMPREPLY < <(compgen -W "queue buffer ring engine" -- "$word") ;;
	mount)
		compopt -o filenames
		mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
	send | recv | peek | call | serve | pub | sub) [ "$first" ] || _ipcdevctl_names "$word" queue ;;
	dump) [ "$first" ] || _ipcdevctl_names "$word" buffer ;;
	engine) _ipcdevctl_engine "$word" "$first" ;;
	watch | push | pop) [ "$first" ] || _ipcdevctl_names "$word" any ;;
	stat | rm) _ipcdevctl_names "$word" any ;;
	esac
}

complete -F _ipcdevctl ipcdevctl
