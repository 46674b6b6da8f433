/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* xml_reader.c, domain_read.c, domain_elements.c, domain_commandline.c: a domain's XML -> what Domain has of it, shown as words and looked
 * for; and XML that is refused, with its line. */

#include "domain_read.h"

#include <inttypes.h>
#include <time.h>

#include "tap.h"
#include "util.h"

#define TEXT_MAX 65536
#define QEMU "xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'"
/* From line 2 on what a case is about. */
#define DOMAIN(rest) "<domain type='kvm' " QEMU ">\n" rest "</domain>"
#define MEMORY "<memory>1048576</memory>"
#define WITH(rest) DOMAIN(MEMORY "\n" rest)
#define DEVICES(devices) WITH("<devices>\n" devices "</devices>")
#define CELLS_WITH(pages) WITH("<cpu><numa><cell memory='512'/><cell memory='1024'/></numa></cpu><memoryBacking><hugepages>" pages \
        "</hugepages></memoryBacking>")
#define ARG(word) "<qemu:arg value='" word "'/>"
#define COMMANDLINE(args) WITH("<qemu:commandline>\n" args "</qemu:commandline>")
#define OS(type) WITH("<os>" type "</os>")

static void show_address(FILE *f, const DomainAddress *a) {
        switch (a->type) {
        case DOMAIN_ADDRESS_NONE:
                return;
        case DOMAIN_ADDRESS_PCI:
                fprintf(f, " at=%x:%x:%x.%x%s", a->domain, a->bus, a->slot, a->function, a->multifunction ? "+" : "");
                return;
        case DOMAIN_ADDRESS_VIO:
                if (a->has_reg)
                        fprintf(f, " reg=%" PRIx64, a->reg);
                else
                        fputs(" reg", f);
                return;
        case DOMAIN_ADDRESS_OTHER:
                if (a->drive)
                        fprintf(f, " drive=%u:%u:%u:%u", a->drive_controller, a->drive_bus, a->drive_target, a->drive_unit);
                else
                        fputs(" elsewhere", f);
                return;
        }
}

static void show_word(FILE *f, const char *key, const char *value) {
        if (value)
                fprintf(f, " %s=%s", key, value);
}

static void show_flag(FILE *f, bool flag, const char *word) {
        if (flag)
                fprintf(f, " %s", word);
}

static void show_device(FILE *f, const DomainDevice *v) {
        fprintf(f, "[%s@%u", domain_device_type_to_string(v->type), v->line);
        show_word(f, "alias", v->alias);
        show_word(f, "kind", v->kind);
        show_word(f, "model", v->model);
        show_word(f, "bus", v->bus);
        show_word(f, "target", v->target);
        if (v->index >= 0)
                fprintf(f, " index=%d", v->index);
        if (v->ports >= 0)
                fprintf(f, " ports=%d", v->ports);
        show_address(f, &v->address);
        if (v->host_pci)
                fprintf(f, " host=%x:%x:%x.%x", v->host.domain, v->host.bus, v->host.slot, v->host.function);
        show_flag(f, v->managed, "managed");
        show_flag(f, v->host_pool, "pool");
        show_flag(f, v->mdev, "mdev");
        show_flag(f, v->vdpa, "vdpa");
        show_flag(f, v->nvme, "nvme");
        show_flag(f, v->notifier, "notifier");
        show_flag(f, v->primary, "primary");
        show_flag(f, v->vio, "vio");
        show_flag(f, v->vio_dma, "dma");
        show_flag(f, v->pci, "pci");
        if (v->video_ram > 0)
                fprintf(f, " ram=%" PRIu64, v->video_ram);
        fputs("]", f);
}

static void show_controller(FILE *f, const DomainController *c) {
        static const char *const models[] = { "phb", "bridge", "other" };

        fprintf(f, "[%s@%u index=%d target=%d node=%d", models[c->model], c->line, c->index, c->target_index, c->numa_node);
        show_word(f, "alias", c->alias);
        show_flag(f, c->named, "named");
        show_address(f, &c->address);
        fputs("]", f);
}

static void show_whole(FILE *f, const Domain *d) {
        show_word(f, "name", d->name);
        show_word(f, "uuid", *d->uuid ? d->uuid : NULL);
        show_word(f, "type", d->type);
        show_word(f, "arch", d->arch);
        show_word(f, "machine", d->machine);
        fprintf(f, " version=%u.%u id=%d memory=%" PRIu64 " max=%" PRIu64 " slots=%u limit=%" PRIu64 " huge=%" PRIu64, d->machine_major,
                d->machine_minor, d->id, d->memory, d->max_memory, d->memory_slots, d->hard_limit, d->hugepage_size);
        show_flag(f, d->pseries, "pseries");
        show_flag(f, d->kvm, "kvm");
        show_flag(f, d->locked, "locked");
        show_flag(f, d->graphics, "graphics");
        show_flag(f, d->live, "live");
        show_flag(f, d->iommu, "iommu");
        show_flag(f, d->usb_given, "usb");
        show_word(f, "dac", d->dac_label);
        show_flag(f, d->unconfined, "unconfined");
        show_word(f, d->security_model ? d->security_model : "?", d->security_label);
        for (size_t i = 0; i < d->n_cells; i++)
                fprintf(f, "[cell %" PRIu64 "]", d->cells[i]);
        for (size_t i = 0; i < d->n_dimms; i++)
                fprintf(f, "[%s %" PRIu64 " label %" PRIu64 "]", d->dimms[i].model, d->dimms[i].size, d->dimms[i].label_size);
        for (size_t i = 0; i < d->n_ports; i++)
                fprintf(f, "[%s %d:%u]", d->ports[i].console ? "console" : "channel", d->ports[i].controller, d->ports[i].port);
        for (size_t i = 0; i < d->n_properties; i++)
                fprintf(f, "[%s/%s %s=%s]", d->properties[i].driver ? d->properties[i].driver : "", d->properties[i].device ? d->properties[i].device : "",
                        d->properties[i].property, d->properties[i].value ? d->properties[i].value : "(none)");
}

static void show(const Domain *d, char *text) {
        FILE *f = fmemopen(text, TEXT_MAX, "w");

        show_whole(f, d);
        for (size_t i = 0; i < d->n_controllers; i++)
                show_controller(f, &d->controllers[i]);
        for (size_t i = 0; i < d->n_devices; i++)
                show_device(f, &d->devices[i]);
        fputc('\0', f);
        (void) fclose(f);
}

static const struct {
        const char *name, *xml;
        const char *want[4]; /* words that the domain shows; one that begins with '!' it must not */
} good[] = {
        { "as little as there can be", "<domain type='qemu'><memory>1</memory></domain>",
          { " type=qemu arch=ppc64le version=0.0 id=-1 memory=1024 max=0 slots=0 limit=0 huge=0 pseries", "!kvm", "!name=" } },
        { "who it is", WITH("<name>web1</name><uuid>3F2C0000-0000-0000-0000-00000000000a</uuid>"),
          { "name=web1", "uuid=3f2c000000000000000000000000000a" } },
        { "a UUID with space around it", WITH("<uuid>\n 3f2c000000000000000000000000000b\t</uuid>"), { "uuid=3f2c000000000000000000000000000b" } },
        { "a UUID in pieces", WITH("<uuid>--3F 2c0000 00000000000000000000--00  0b</uuid>"), { "uuid=3f2c000000000000000000000000000b" } },
        { "a pair of digits in pieces", WITH("<uuid>3-f2c000000000000000000000000000b</uuid>"), { "!" } },
        { "a UUID with a dash behind it", WITH("<uuid>3f2c000000000000000000000000000b-</uuid>"), { "!" } },
        { "a UUID with text behind it", WITH("<uuid>3f2c000000000000000000000000000b x</uuid>"), { "!" } },
        { "an empty UUID is none", WITH("<uuid/>"), { "!uuid=" } },
        { "one that runs", "<domain type='kvm' id='7'>" MEMORY "</domain>", { "id=7", "live" } },
        { "what libvirt keeps of one that runs", "<domstatus state='running'><x/><domain type='kvm' id='12'>" MEMORY "</domain></domstatus>",
          { "id=12", "live" } },
        { "a number that is none", "<domain type='kvm' id='x'>" MEMORY "</domain>", { "id=-1", "live" } },

        { "a machine", OS("<type arch='ppc64le' machine='pseries-9.2'>hvm</type>"), { "machine=pseries-9.2 version=9.2", "pseries kvm" } },
        { "the newest", OS("<type arch='ppc64' machine='pseries'>hvm</type>"), { "version=0.0", "pseries kvm" } },
        { "two digits", OS("<type arch='ppc64' machine='pseries-10.0'>hvm</type>"), { "version=10.0" } },
        { "with a fix of its own", OS("<type arch='ppc64' machine='pseries-2.12-sxxm'>hvm</type>"), { "version=2.12" } },
        { "a distribution's", OS("<type arch='ppc64' machine='pseries-rhel9.0.0'>hvm</type>"), { "version=0.0", "pseries kvm" } },
        { "text behind the version", OS("<type arch='ppc64' machine='pseries-3.1x'>hvm</type>"), { "version=0.0", "pseries kvm" } },
        { "no machine", OS("<type arch='ppc64le'>hvm</type>"), { "!machine=", "pseries kvm" } },
        { "no architecture", OS("<type machine='pseries-4.1'>hvm</type>"), { "arch=ppc64le", "version=4.1" } },
        { "bare metal's machine", OS("<type arch='ppc64' machine='powernv9'>hvm</type>"), { "machine=powernv9", "!pseries" } },
        { "another architecture", OS("<type arch='x86_64' machine='q35'>hvm</type>"), { "arch=x86_64", "!pseries" } },
        { "another architecture's pseries", OS("<type arch='s390x' machine='pseries'>hvm</type>"), { "!pseries kvm" } },
        { "no architecture, another machine", OS("<type machine='q35'>hvm</type>"), { "!arch=", "!pseries" } },

        { "KiB", DOMAIN("<memory>2</memory>"), { "memory=2048 " } },
        { "bytes are rounded up", DOMAIN("<memory unit='b'>2000</memory>"), { "memory=2048 " } },
        { "bytes, in words", DOMAIN("<memory unit='Bytes'>2049</memory>"), { "memory=3072 " } },
        { "thousands", DOMAIN("<memory unit='KB'>128</memory>"), { "memory=128000 " } },
        { "MiB", DOMAIN("<memory unit='MiB'>2</memory>"), { "memory=2097152 " } },
        { "one letter", DOMAIN("<memory unit='g'>2</memory>"), { "memory=2147483648 " } },
        { "TB", DOMAIN("<memory unit='TB'>1</memory>"), { "memory=1000000000000 " } },
        { "PiB", DOMAIN("<memory unit='PiB'>1</memory>"), { "memory=1125899906842624 " } },
        { "EiB, the most", DOMAIN("<memory unit='EiB'>7</memory>"), { "memory=8070450532247928832 " } },
        { "space before a number", DOMAIN("<memory> +2</memory>"), { "memory=2048 " } },
        { "a number in pieces", DOMAIN("<memory>1<!-- x -->0<![CDATA[4]]></memory>"), { "memory=106496 " } },
        { "maxMemory", WITH("<maxMemory slots='16' unit='GiB'>8</maxMemory>"), { "max=8589934592 slots=16" } },
        { "an empty limit is none", WITH("<memtune><hard_limit/></memtune>"), { "limit=0 " } },
        { "maxMemory without slots", WITH("<maxMemory unit='GiB'>8</maxMemory>"), { "max=8589934592 slots=0" } },
        { "an empty maxMemory is none", WITH("<maxMemory/>"), { "max=0 slots=0" } },
        { "hard_limit", WITH("<memtune><hard_limit unit='MiB'>3</hard_limit></memtune>"), { "limit=3145728" } },
        { "NUMA cells", WITH("<cpu><numa><cell id='0' memory='512' unit='MiB'/><cell id='1' memory='1024'/></numa></cpu>"),
          { "[cell 536870912][cell 1048576]", "memory=537919488 " } },
        { "locked, and huge pages", WITH("<memoryBacking><locked/><hugepages><page size='1' unit='GiB'/><page size='2048'/></hugepages></memoryBacking>"),
          { "huge=2097152", "locked" } },
        { "huge pages for all cells", CELLS_WITH("<page size='1' unit='GiB' nodeset='1-2,^1'/><page size='2048' nodeset='0, 1'/>"),
          { "huge=2097152" } },
        { "for some, and others for the rest", CELLS_WITH("<page size='1' unit='GiB'/><page size='2048' nodeset='1'/>"), { "huge=2097152" } },
        { "not for the first cell", CELLS_WITH("<page size='1' unit='GiB' nodeset='1-2'/>"), { "huge=0 " } },
        { "not for the second", CELLS_WITH("<page size='1' unit='GiB' nodeset='0-2,^1'/>"), { "huge=0 " } },
        { "for a cell that there must be", WITH("<memoryBacking><hugepages><page size='2048' nodeset='0'/></hugepages></memoryBacking>"),
          { "huge=2097152" } },
        { "huge pages of no size for any cell", CELLS_WITH(""), { "huge=2097152" } },
        { "huge pages of no size", WITH("<memoryBacking><hugepages/></memoryBacking>"), { "huge=2097152" } },
        { "DIMMs are part of <memory>", DEVICES("<memory model='dimm'><target><size unit='KiB'>1024</size></target></memory>"),
          { "[dimm 1048576 label 0]", "memory=1072693248 " } },
        { "DIMMs beside cells", WITH("<cpu><numa><cell memory='4096'/></numa></cpu><devices><memory model='nvdimm'><target><size>2048</size>"
                                     "<label><size>128</size></label></target></memory></devices>"),
          { "[nvdimm 2097152 label 131072]", "memory=4194304 " } },
        { "labels", WITH("<seclabel type='dynamic' model='apparmor'><label>libvirt-3f</label></seclabel>"
                         "<seclabel type='dynamic' model='dac'><label>+64055:+64055</label><imagelabel>x</imagelabel></seclabel>"),
          { "dac=+64055:+64055 apparmor=libvirt-3f" } },
        { "SELinux's label", WITH("<seclabel type='dynamic' model='selinux'><label>u:r:svirt_t:s0:c1</label></seclabel>"),
          { "selinux=u:r:svirt_t:s0:c1" } },
        { "a label that is none", WITH("<seclabel type='none' model='dac'/>"), { "!dac=", "!unconfined" } },
        { "not confined", WITH("<seclabel type='none'/>"), { " unconfined" } },
        { "not confined by AppArmor", WITH("<seclabel type='none' model='apparmor'/>"), { " unconfined" } },
        { "confined", WITH("<seclabel type='dynamic' model='apparmor'/>"), { "!unconfined" } },

        { "a PHB", DEVICES("<controller type='pci' index='1' model='pci-root'><model name='spapr-pci-host-bridge'/><target index='0x1e'><node>3</node>"
                           "</target><alias name='ua-x'/></controller>"), { "[phb@4 index=1 target=30 node=3 alias=ua-x named]" } },
        { "a PHB with an empty node", DEVICES("<controller type='pci' model='pci-root'><target><node/></target></controller>"), { "node=-1" } },
        { "a PHB with nothing", DEVICES("<controller type='pci' model='pci-root'/>"), { "[phb@4 index=-1 target=-1 node=-1]" } },
        { "an index that is out of range is kept", DEVICES("<controller type='pci' index='300' model='pci-root'><target index='31'/></controller>"),
          { "[phb@4 index=300 target=31 node=-1]" } },
        { "a bridge", DEVICES("<controller type='pci' index='2' model='pci-bridge'><address type='pci' domain='0x0000' bus='0x01' slot='0x1f' "
                              "function='0x7' multifunction='on'/></controller>"), { "[bridge@4 index=2 target=-1 node=-1 at=0:1:1f.7+]" } },
        { "PCI Express", DEVICES("<controller type='pci' index='0' model='pcie-root'/>"), { "[other@4 index=0" } },
        { "controllers", DEVICES("<controller type='scsi' index='2' model='ibmvscsi'><address type='spapr-vio' reg='0x3000'/></controller>\n"
                                 "<controller type='virtio-serial' ports='4'/>\n<controller type='usb' model='none'><address type='x'/></controller>"),
          { "[controller@4 kind=scsi model=ibmvscsi index=2 reg=3000]", "[controller@5 kind=virtio-serial ports=4]",
            "[controller@6 kind=usb model=none]", " usb" } },
        { "hexadecimal without a prefix", DEVICES("<nvram><address type='spapr-vio' reg='7100'/></nvram>"), { "[nvram@4 reg=7100]" } },
        { "a register that is left to libvirt", DEVICES("<nvram><address type='spapr-vio'/></nvram>"), { "[nvram@4 reg]" } },
        { "the largest register", DEVICES("<nvram><address type='spapr-vio' reg='0xffffffffffffffff'/></nvram>"), { "reg=ffffffffffffffff" } },
        { "addresses in base 8 and 10", DEVICES("<rng model='virtio'><address type='pci' bus='010' slot='10'/></rng>"), { "at=0:8:a.0" } },
        { "a guest's domain", DEVICES("<rng><address type='pci' domain='2' bus='1' slot='1'/></rng>"), { "at=2:1:1.0" } },
        { "USB", DEVICES("<input type='tablet' bus='usb'><address type='usb' bus='0' port='1'/></input>"), { "[input@4 kind=tablet bus=usb elsewhere]" } },

        { "a host's domain of more than 16 bits", DEVICES("<hostdev mode='subsystem' type='pci'><source><address domain='0x10000' bus='1'/></source></hostdev>"),
          { "host=10000:1:0.0" } },
        { "display memory that is not said", DEVICES("<video><model type='vga' vram=''/></video>"), { "[video@4 model=vga]" } },
        { "interfaces", DEVICES("<interface type='bridge'><model type='spapr-vlan'/><alias name='net0'/></interface>\n<interface type='user'/>"),
          { "[interface@4 alias=net0 kind=bridge model=spapr-vlan]", "[interface@5 kind=user]" } },
        { "a tap's vhost", DEVICES("<interface type='network'><model type='virtio'/><driver iommu='on'/></interface>"), { "model=virtio notifier]" } },
        { "without KVM there is none", "<domain type='qemu'>" MEMORY "<devices><interface type='network'><model type='virtio'/><driver iommu='on'/>"
          "</interface></devices></domain>", { "!notifier" } },
        { "nor where QEMU is told to do it", DEVICES("<interface type='bridge'><model type='virtio'/><driver name='qemu' iommu='on'/></interface>"),
          { "!notifier" } },
        { "nor for another model", DEVICES("<interface type='bridge'><model type='e1000'/><driver iommu='on'/></interface>"), { "!notifier" } },
        { "nor for the user's network", DEVICES("<interface type='user'><model type='virtio'/><driver iommu='on'/></interface>"), { "!notifier" } },
        { "nor without an IOMMU", DEVICES("<interface type='bridge'><model type='virtio'/><driver name='vhost'/></interface>"), { "!notifier" } },
        { "vhost-user", DEVICES("<interface type='vhostuser'><model type='virtio'/><driver iommu='on'/></interface>"), { "notifier" } },
        { "vDPA", DEVICES("<interface type='vdpa'><model type='virtio-non-transitional'/><driver iommu='on'/></interface>"), { "vdpa notifier" } },
        { "virtiofs", DEVICES("<filesystem type='mount'><driver type='virtiofs' iommu='on'/></filesystem>"), { "[filesystem@4 kind=virtiofs notifier]" } },
        { "vsock", DEVICES("<vsock model='virtio'><driver iommu='on'/></vsock>"), { "[vsock@4 model=virtio notifier]" } },
        { "a disk behind an IOMMU", DEVICES("<disk type='file'><driver iommu='on'/><target dev='vda' bus='virtio'/></disk>"), { "!notifier" } },

        { "a function of the host's", DEVICES("<hostdev mode='subsystem' type='pci' managed='yes'><source><address domain='0x0001' bus='0x02' slot='0x1f' "
                                              "function='0x7'/></source><address type='pci' bus='1' slot='2'/></hostdev>"),
          { "[hostdev@4 kind=pci at=0:1:2.0 host=1:2:1f.7 managed]" } },
        { "not managed", DEVICES("<hostdev type='pci' managed='no'><source><address/></source></hostdev>"), { "host=0:0:0.0]" } },
        { "an mdev", DEVICES("<hostdev mode='subsystem' type='mdev' model='vfio-pci'><source><address uuid='x'/></source></hostdev>"),
          { "[hostdev@4 kind=mdev model=vfio-pci mdev]" } },
        { "a container's", DEVICES("<hostdev mode='capabilities' type='pci'/>"), { "!host=" } },
        { "a network function", DEVICES("<interface type='hostdev' managed='yes'><source><address type='pci' domain='3'/></source></interface>"),
          { "[interface@4 kind=hostdev host=3:0:0.0 managed]" } },
        { "a network function of USB", DEVICES("<interface type='hostdev'><source><address type='usb' bus='1'/></source></interface>"), { "!host=" } },
        { "one of a pool", DEVICES("<interface type='hostdev'><source network='x'/></interface>"), { "[interface@4 kind=hostdev pool]" } },
        { "NVMe", DEVICES("<disk type='nvme'><source type='pci' managed='yes'><address domain='0' bus='1' slot='0' function='0'/></source>"
                          "<target dev='vdb' bus='virtio'/></disk>"), { "[disk@4 kind=nvme bus=virtio target=vdb host=0:1:0.0 managed nvme]" } },
        { "a vDPA disk", DEVICES("<disk type='vhostvdpa'><driver iommu='on'/><target dev='vdb'/></disk>"), { "target=vdb vdpa notifier" } },
        { "a drive", DEVICES("<disk type='file'><target dev='sda' bus='scsi'/><address type='drive' controller='1' bus='2' target='3' unit='4'/></disk>"),
          { "bus=scsi target=sda drive=1:2:3:4" } },

        { "displays", DEVICES("<graphics type='vnc'/><video><model type='vga' vram='16384' primary='yes'/></video>"),
          { "graphics", "[video@4 model=vga primary ram=16777216]" } },
        { "serial ports", DEVICES("<serial type='pty'><target type='spapr-vio-serial' port='0'/></serial><console type='pty'><target type='serial'/></console>"),
          { "[serial@4 kind=spapr-vio-serial]", "![serial@4]" } },
        { "a console alone", DEVICES("<console type='pty'><address type='spapr-vio' reg='0x30000000'/></console>\n<console type='pty'/>"),
          { "[serial@4 reg=30000000]", "![serial@5" } },
        { "virtio's ports", DEVICES("<channel type='unix'><target type='virtio'/><address type='virtio-serial' controller='2' port='5'/></channel>"
                                    "<channel type='unix'><target type='virtio'/></channel><console><target type='virtio'/></console>"
                                    "<channel type='spicevmc'><target type='guestfwd'/></channel>"),
          { "[channel 2:5][channel -1:0][console -1:0]", "!serial@" } },
        { "others", DEVICES("<sound model='ich6'/><watchdog model='i6300esb'/><shmem name='s'><model type='ivshmem-plain'/></shmem><tpm model='tpm-spapr'/>"
                            "<memballoon model='none'/><crypto model='virtio'/><panic model='pvpanic'/><iommu model='intel'/>"),
          { "[sound@4 model=ich6][watchdog@4 model=i6300esb][shmem@4 model=ivshmem-plain][tpm@4 model=tpm-spapr]",
            "[memballoon@4 model=none][crypto@4 model=virtio][panic@4 model=pvpanic]", " iommu" } },
        { "what is not of libvirt's namespace", DEVICES("<x:nvram xmlns:x='urn:x'/><nvram x:y='1' xmlns:x='urn:x'/>"), { "[nvram@4]", "![nvram@4][nvram" } },
        { "texts with the five entities", WITH("<name>&lt;a&amp;b&#x21;</name>"), { "name=<a&b!" } },

        { "-global", COMMANDLINE(ARG("-global") ARG("spapr-pci-host-bridge.pgsz=0x1000")), { "[spapr-pci-host-bridge/ pgsz=0x1000]" } },
        { "-global in the long form", COMMANDLINE(ARG("--global") ARG("driver=a,property=b,value=c,,d")), { "[a/ b=c,d]" } },
        { "-global that is none", COMMANDLINE(ARG("-global") ARG("x")), { "![" } },
        { "-set", COMMANDLINE(ARG("-set") ARG("device.own.ddw=off") ARG("-set") ARG("drive.own.x=y")), { "[/own ddw=off]", "!x=y" } },
        { "a PHB", COMMANDLINE(ARG("-device") ARG("spapr-pci-host-bridge,index=9,id=own,noddw,foo")),
          { "[qemu:commandline@4 alias=own model=spapr-pci-host-bridge index=9]", "[/own ddw=off][/own foo=on]" } },
        { "a PHB without an id", COMMANDLINE(ARG("-device") ARG("spapr-pci-host-bridge,index=9,pgsz=4096")),
          { "[/spapr-pci-host-bridge@0 pgsz=4096]" } },
        { "numbers as QEMU reads them", COMMANDLINE(ARG("-device") ARG("spapr-pci-host-bridge,index= +011,pgsz=-1")), { "index=9]", "pgsz=-1]" } },
        { "another driver's property", COMMANDLINE(ARG("-global") ARG("x.pgsz=4k")), { "[x/ pgsz=4k]" } },
        { "as JSON", COMMANDLINE("<qemu:arg value='-device'/><qemu:arg value='{\"driver\":\"spapr-vlan\",\"id\":\"x\",\"reg\":4096}'/>"),
          { "[qemu:commandline@4 alias=x model=spapr-vlan reg=1000 vio dma]" } },
        { "VIO without a window", COMMANDLINE(ARG("-device") ARG("spapr-vty,reg=0x30000000")), { "model=spapr-vty reg=30000000 vio]" } },
        { "VFIO", COMMANDLINE(ARG("-device") ARG("vfio-pci,host=0001:02:03.4,bus=pci.1.0,addr=5")), { "bus=pci.1.0 host=1:2:3.4 pci]" } },
        { "VFIO, short", COMMANDLINE(ARG("-device") ARG("vfio-pci,host=02:03.4")), { "host=0:2:3.4 pci]" } },
        { "VFIO by sysfs", COMMANDLINE(ARG("-device") ARG("vfio-pci,sysfsdev=/sys/bus/pci/devices/0001:02:03.4")), { "host=1:2:3.4" } },
        { "an mdev", COMMANDLINE(ARG("-device") ARG("vfio-pci,sysfsdev=/sys/bus/mdev/devices/c2177883-f1bb-47f0-914d-32a22e3a8804")), { " mdev" } },
        { "vhost behind an IOMMU", COMMANDLINE(ARG("-netdev") ARG("tap,vhost=on,id=n") ARG("-device") ARG("virtio-net-pci,iommu_platform=on,netdev=n")),
          { "notifier pci]" } },
        { "no vhost behind an IOMMU", COMMANDLINE(ARG("-netdev") ARG("tap,id=n") ARG("-device") ARG("virtio-net-pci,iommu_platform=on,netdev=n")),
          { "!notifier" } },
        { "neither PCI nor VIO", COMMANDLINE(ARG("-device") ARG("usb-kbd,bus=usb.0")), { "!qemu:commandline@" } },
        { "unknown, with an addr", COMMANDLINE(ARG("-device") ARG("newcard,addr=3.0")), { "model=newcard pci]" } },
        { "other words", COMMANDLINE(ARG("-name") ARG("x") ARG("-S")), { "!qemu:commandline@" } },
        { "QEMU's devices come last", DOMAIN("<qemu:commandline>" ARG("-device") ARG("spapr-vlan") "</qemu:commandline>" MEMORY "<devices><nvram/></devices>"),
          { "[nvram@2][qemu:commandline@2" } },
        { "overrides", WITH("<qemu:override><qemu:device alias='pci.1'><qemu:frontend><qemu:property name='ddw' type='bool' value='false'/>"
                            "<qemu:property name='x' type='remove'/><qemu:property name='index' type='unsigned' value='011'/></qemu:frontend></qemu:device></qemu:override>"),
          { "[/pci.1 ddw=false][/pci.1 x=(none)][/pci.1 index=11]" } },
        { "a commandline that is not QEMU's", WITH("<commandline><arg value='-global'/></commandline>"), { "![" } },
};

static void test_good(void) {
        static char text[TEXT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(good); i++) {
                _cleanup_(domain_clear) Domain d = {};
                DomainError error = {};
                bool all = true;
                int r = domain_read(good[i].xml, strlen(good[i].xml), &d, &error);

                /* "!" alone: refused. */
                if (streq(good[i].want[0], "!")) {
                        tap_eq(r, -EINVAL, "%s: refused", good[i].name);
                        continue;
                }
                text[0] = '\0';
                if (r >= 0)
                        show(&d, text);
                for (size_t j = 0; j < ELEMENTSOF(good[i].want) && good[i].want[j]; j++)
                        all = all && (good[i].want[j][0] == '!' ? !strstr(text, good[i].want[j] + 1) : !!strstr(text, good[i].want[j]));
                if (!tap_ok(r == 0 && all, "%s", good[i].name))
                        printf("#   %d %s\n#   have%s\n", r, error.text, text);
        }
}

#define TEN(x) x x x x x x x x x x

static const struct {
        const char *name, *xml;
        unsigned line;
        const char *text;
} bad[] = {
        { "nothing", "", 0, "There is no XML" },
        { "text", "hello", 1, "no well-formed XML" },
        { "half of it", "<domain type='kvm'>\n<devices>", 2, "; mend it there" },
        { "another document", "<network/>", 1, "<network>: no domain" },
        { "another namespace's domain", "<domain xmlns='urn:x' type='kvm'/>", 1, "no domain" },
        { "no type", "<domain>" MEMORY "</domain>", 1, "it has no type" },
        { "no memory", "<domain type='kvm'/>", 1, "no <memory>" },
        { "DIMMs are all of the memory", "<domain type='kvm'><memory>1</memory><devices><memory model='dimm'><target><size>1</size></target></memory></devices></domain>",
          1, "leave nothing" },
        { "a DTD", "<!DOCTYPE domain>\n<domain type='kvm'/>", 1, "<!DOCTYPE>" },
        { "entities", "<!DOCTYPE domain [\n<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;'>]>\n<domain type='&b;'/>", 1, "<!DOCTYPE>" },
        { "an external entity", "<!DOCTYPE domain [<!ENTITY x SYSTEM 'file:///etc/passwd'>]>\n<domain type='&x;'/>", 1, "<!DOCTYPE>" },
        { "an external DTD", "<!DOCTYPE domain SYSTEM 'http://localhost/x.dtd'>\n<domain type='kvm'/>", 1, "<!DOCTYPE>" },
        { "an entity of nobody's", "<domain type='kvm'>\n<name>&lol;</name></domain>", 2, "no well-formed XML" },
        { "not UTF-8", "<domain type='kvm'>\n<name>\xff\xfe</name></domain>", 2, "no well-formed XML" },
        { "a control character", "<domain type='kvm'>\n<name>\x01</name></domain>", 2, "no well-formed XML" },
        { "too deep", TEN("<a>") TEN("<a>") TEN("<a>") "\n" TEN("<a>") TEN("<a>") TEN("<a>") TEN("<a>"), 2, "nested too deep" },
        { "a UUID that is none", WITH("<uuid>12</uuid>"), 3, "<uuid>12</uuid>: no UUID" },
        { "letters", DOMAIN("<memory>lots</memory>"), 2, "<memory>lots</memory>: not a number" },
        { "a negative number", DOMAIN("<memory>-1</memory>"), 2, "not a number" },
        { "no number", DOMAIN("<memory></memory>"), 1, "no <memory>" },
        { "a fraction", DOMAIN("<memory unit='GiB'>1.5</memory>"), 2, "not a number" },
        { "text behind a number", DOMAIN("<memory>1 GiB</memory>"), 2, "not a number" },
        { "hexadecimal where libvirt wants none", DOMAIN("<memory>0x10</memory>"), 2, "not a number" },
        { "more than 64 bits", DOMAIN("<memory>99999999999999999999</memory>"), 2, "the most is" },
        { "more than 64 bits with its unit", DOMAIN("<memory unit='EiB'>16</memory>"), 2, "more than any memory" },
        { "more than 63 bits", DOMAIN("<memory unit='EiB'>8</memory>"), 2, "more than any memory" },
        { "more than 63 bits once it is whole KiB", DOMAIN("<memory unit='b'>9223372036854775807</memory>"), 2, "more than any memory" },
        { "slots without maxMemory", WITH("<maxMemory slots='9'>0</maxMemory>"), 3, "give both" },
        { "an unknown unit", DOMAIN("<memory unit='furlong'>1</memory>"), 2, "no unit" },
        { "a unit that begins well", DOMAIN("<memory unit='MiBi'>1</memory>"), 2, "no unit" },
        { "too many slots", WITH("<maxMemory slots='4294967296'>9</maxMemory>"), 3, "slots='4294967296'>: the most is" },
        { "a page of an odd size", WITH("<memoryBacking><hugepages><page size='3'/></hugepages></memoryBacking>"), 3, "pages of this size" },
        { "a cell", WITH("<cpu><numa>\n<cell memory='x'/></numa></cpu>"), 4, "<cell memory='x'>" },
        { "a target index", DEVICES("<controller type='pci' model='pci-root'>\n<target index='x'/></controller>"), 5, "<target index='x'>: not a number" },
        { "a negative index", DEVICES("<controller type='pci' index='-1' model='pci-root'/>"), 4, "index='-1'" },
        { "an index of more than 31 bits", DEVICES("<controller type='pci' index='2147483648' model='pci-root'/>"), 4, "the most is 2147483647" },
        { "a node", DEVICES("<controller type='pci' model='pci-root'><target>\n<node>x</node></target></controller>"), 5, "<node>x</node>" },
        { "an address of no type", DEVICES("<rng>\n<address slot='1'/></rng>"), 5, "<address>: it has no type" },
        { "a slot", DEVICES("<rng><address type='pci' slot='32'/></rng>"), 4, "slot='32'>: the most is 31" },
        { "a function", DEVICES("<rng><address type='pci' function='8'/></rng>"), 4, "function='8'>: the most is 7" },
        { "a bus", DEVICES("<rng><address type='pci' bus='256'/></rng>"), 4, "bus='256'>: the most is 255" },
        { "a domain", DEVICES("<rng><address type='pci' domain='0x100000000'/></rng>"), 4, "domain='0x100000000'>: the most is 4294967295" },
        { "a register", DEVICES("<nvram><address type='spapr-vio' reg='0xg'/></nvram>"), 4, "reg='0xg'>: not a number; give it in base 16" },
        { "a register of more than 64 bits", DEVICES("<nvram><address type='spapr-vio' reg='0x10000000000000000'/></nvram>"), 4, "the most is" },
        { "a drive", DEVICES("<disk><address type='drive' unit='x'/></disk>"), 4, "unit='x'" },
        { "a port", DEVICES("<channel><target type='virtio'/><address type='virtio-serial' port='x'/></channel>"), 4, "port='x'" },
        { "display memory", DEVICES("<video><model vram='x'/></video>"), 4, "vram='x'" },
        { "a host device of nothing", DEVICES("<hostdev mode='subsystem' type='pci'/>"), 4, "names no function of the host's" },
        { "a host device's slot", DEVICES("<hostdev type='pci'><source>\n<address slot='99'/></source></hostdev>"), 5, "slot='99'" },
        { "a DIMM of no size", DEVICES("<memory model='dimm'>\n<target><node>0</node></target></memory>"), 4, "give it <target><size>" },
        { "a DIMM", DEVICES("<memory><target><size>x</size></target></memory>"), 4, "<size>x</size>" },
        { "words that end too soon", COMMANDLINE(ARG("-S") "\n" ARG("-device")), 5, "<qemu:arg>: -device: QEMU wants another word" },
        { "JSON that is none", COMMANDLINE(ARG("-device") "\n" ARG("{")), 5, "-device is no JSON" },
        { "a register of QEMU's that is none", COMMANDLINE(ARG("-device") "\n" ARG("spapr-vlan,reg=1k")), 5, "<qemu:arg>: reg='1k': QEMU takes no such value" },
        { "a register of more than 32 bits", COMMANDLINE(ARG("-device") "\n" ARG("spapr-vlan,reg=0x100000000")), 5, "up to 32 bits" },
        { "a PHB's index that is none", COMMANDLINE(ARG("-device") "\n" ARG("spapr-pci-host-bridge,index=3x")), 5, "index='3x'" },
        { "a PHB's index below 0", COMMANDLINE(ARG("-device") "\n" ARG("spapr-pci-host-bridge,index=-1")), 5, "index='-1'" },
        { "a window's size with a unit", COMMANDLINE(ARG("-global") "\n" ARG("spapr-pci-host-bridge.dma_win_size=1G")), 5, "dma_win_size='1G'" },
        { "page sizes of more than 64 bits", COMMANDLINE(ARG("-set") "\n" ARG("device.own.pgsz=0x10000000000000000")), 5, "up to 64 bits" },
        { "neither on nor off", COMMANDLINE(ARG("-device") "\n" ARG("spapr-pci-host-bridge,index=3,ddw=maybe")), 5, "give it on or off" },
        { "an override that is no number", WITH("<qemu:override><qemu:device alias='pci.1'><qemu:frontend>\n<qemu:property name='pgsz' type='string' value=''/>"
                                                "</qemu:frontend></qemu:device></qemu:override>"), 4, "<qemu:property>: pgsz=''" },
        { "an override of nobody", WITH("<qemu:override><qemu:device/></qemu:override>"), 3, "it names no device" },
        { "an override of nothing", WITH("<qemu:override><qemu:device alias='x'><qemu:frontend><qemu:property name='y'/></qemu:frontend></qemu:device></qemu:override>"),
          3, "a name, a type and a value" },
};

static void check_bad(const char *name, const char *xml, size_t size, unsigned line, const char *text) {
        Domain d = { .machine_major = 7 };
        DomainError error = {};
        char start[32] = "";
        int r = domain_read(xml, size, &d, &error);

        if (line > 0)
                (void) snprintf(start, sizeof(start), "line %u: ", line);
        if (!tap_ok(r == -EINVAL && error.line == line && strncmp(error.text, start, strlen(start)) == 0 && strstr(error.text, text) &&
                            utf8_valid(error.text) && d.machine_major == 7,
                    "refused: %s", name))
                printf("#   %d, line %u: %s\n", r, error.line, error.text);
}

/* part n times, with a number behind each and `tail` behind that where it is not NULL. */
static char *repeat(const char *before, const char *part, const char *tail, unsigned n, const char *behind, size_t *ret_size) {
        char *text = NULL;
        FILE *f = open_memstream(&text, ret_size);

        fputs(before, f);
        for (unsigned i = 0; i < n; i++) {
                fputs(part, f);
                if (tail)
                        fprintf(f, "%u%s", i, tail);
        }
        fputs(behind, f);
        (void) fclose(f);
        return text;
}

static void test_bad(void) {
        size_t size;
        char *text;

        for (size_t i = 0; i < ELEMENTSOF(bad); i++)
                check_bad(bad[i].name, bad[i].xml, strlen(bad[i].xml), bad[i].line, bad[i].text);
        check_bad("a zero byte", "<domain>\n\0</domain>", 19, 2, "a zero byte");
        text = repeat("<domain type='kvm'>", "          ", NULL, DOMAIN_XML_MAX / 10 + 1, "</domain>", &size);
        check_bad("too long", text, size, 0, "a domain's is 2097152 at most");
        free(text);
        text = repeat("<domain type='kvm'>\n", "<a/>", NULL, 65536, "</domain>", &size);
        check_bad("too many elements", text, size, 2, "more elements than any domain has");
        free(text);
        text = repeat("<domain type='kvm'>\n<a", " a", "=''", 1025, "/></domain>", &size);
        check_bad("too many attributes", text, size, 2, "more attributes than any domain has");
        free(text);
        text = repeat("<domain type='kvm'>\n<a", " a", " \n=\t\"\"", 1025, "/></domain>", &size);
        check_bad("too many attributes, with space in them", text, size, 1027, "more attributes than any domain has");
        free(text);
        text = repeat("<domain type='kvm'>\n<a", " a", "=''", 1024, "/></domain>", &size);
        check_bad("many attributes", text, size, 1, "no <memory>");
        free(text);
        text = repeat("<domain type='kvm'>\n<a>", "a=b, ======== ", "", 9000, "</a></domain>", &size);
        check_bad("much text with signs in it", text, size, 1, "no <memory>");
        free(text);
        text = repeat("<domain type='kvm' " QEMU "><memory>1</memory>\n<qemu:commandline>", "<qemu:arg value='-S'/>", NULL, 1025, "</qemu:commandline></domain>", &size);
        check_bad("too many words", text, size, 2, "more than 1024 of these");
        free(text);
        text = repeat("<domain type='kvm'>\n<a>", "x", "", 300000, "</a></domain>", &size);
        check_bad("much text", text, size, 1, "no <memory>");
        free(text);
}

static double cpu_seconds(void) {
        struct timespec t;

        (void) clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
        return (double) t.tv_sec + (double) t.tv_nsec / 1e9;
}

/* The largest files that there can be, of what is looked up or compared: the time must not grow with the square. Anybody may ask tced for a
 * plan, which has one thread. A second or two with sanitizers; what is wrong takes ten times as long without. */
static void test_time(void) {
        static const struct {
                const char *name, *before, *part, *tail;
                unsigned n;
                const char *behind, *refusal; /* NULL: it is read */
        } cases[] = {
                { "options of one device", "<domain type='kvm' " QEMU ">" MEMORY "<qemu:commandline>" ARG("-device")
                  "<qemu:arg value='spapr-pci-host-bridge,index=3", ",a=b", NULL, 500000, "'/></qemu:commandline></domain>",
                  "<qemu:arg>: a: more than 4096 properties" },
                { "attributes", "<domain type='kvm'>" MEMORY "<a a='' ", "b", "='' ", 1000, "/></domain>" },
                { "attributes in values", "<domain type='kvm'>" MEMORY "<a b='", "a=b ", NULL, 500000, "'/></domain>" },
        };

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                _cleanup_(domain_clear) Domain d = {};
                DomainError error = {};
                double started;
                size_t size;
                char *text = repeat(cases[i].before, cases[i].part, cases[i].tail, cases[i].n, cases[i].behind, &size);
                int r;

                started = cpu_seconds();
                r = domain_read(text, size, &d, &error);
                if (!tap_ok((cases[i].refusal ? r == -EINVAL && strstr(error.text, cases[i].refusal) : r == 0) && cpu_seconds() - started < 5, "in time: %s", cases[i].name))
                        printf("#   %d %s, %.1f s\n", r, error.text, cpu_seconds() - started);
                free(text);
        }
}

/* Devices that each ask for a network device which is described at length. */
static void test_netdevs_time(void) {
        _cleanup_(domain_clear) Domain d = {};
        DomainError error = {};
        char *text = NULL, filler[4000];
        double started;
        size_t size;
        FILE *f = open_memstream(&text, &size);
        int r;

        for (size_t i = 0; i < sizeof(filler) - 1; i++)
                filler[i] = i % 2 ? 'a' : ',';
        filler[sizeof(filler) - 1] = '\0';
        fputs("<domain type='kvm' " QEMU ">" MEMORY "<qemu:commandline>", f);
        for (unsigned i = 0; i < 250; i++)
                fprintf(f, ARG("-netdev") "<qemu:arg value='tap,vhost=on,id=n%u%s'/>", i, filler);
        for (unsigned i = 0; i < 250; i++)
                fprintf(f, ARG("-device") "<qemu:arg value='virtio-net-pci,iommu_platform=on,netdev=n%u%s'/>", 249 + i, filler);
        fputs("</qemu:commandline></domain>", f);
        (void) fclose(f);
        started = cpu_seconds();
        r = domain_read(text, size, &d, &error);
        if (!tap_ok(r == 0 && d.n_devices == 250 && d.devices[0].notifier && !d.devices[1].notifier && cpu_seconds() - started < 5,
                    "in time: network devices of the command line"))
                printf("#   %d %s, %.1f s\n", r, error.text, cpu_seconds() - started);
        free(text);
}

/* A device is added, or all is as it was. */
static void test_attach(void) {
        static const struct {
                const char *name, *xml, *want; /* "!…": the error */
        } cases[] = {
                { "a host device", "<hostdev type='pci'><source><address domain='5'/></source></hostdev>", "[hostdev@1 kind=pci host=5:0:0.0]" },
                { "a controller", "<controller type='pci' index='4' model='pci-root'/>", "[phb@1 index=4 target=-1 node=-1]" },
                { "memory", "<memory model='dimm'><target><size>4</size></target></memory>", "[dimm 4096 label 0]" },
                { "a channel", "<channel type='unix'><target type='virtio'/></channel>", "[channel -1:0]" },
                { "one that has no DMA", "<redirdev bus='usb'/>", " memory=" },
                { "what libvirt has not", "<blob/>", "!<blob>: no device of libvirt's" },
                { "a domain", "<domain type='kvm'/>", "!<domain>: no device of libvirt's" },
                { "one that is wrong", "<rng>\n<address type='pci' slot='99'/></rng>", "!line 2: " },
                { "no XML", "x", "!no well-formed XML" },
        };
        static char before[TEXT_MAX], after[TEXT_MAX];

        for (size_t i = 0; i < ELEMENTSOF(cases); i++) {
                const char *xml = DEVICES("<nvram/>");
                _cleanup_(domain_clear) Domain d = {};
                DomainError error = {};
                int r;

                (void) domain_read(xml, strlen(xml), &d, &error);
                show(&d, before);
                r = domain_read_device(cases[i].xml, strlen(cases[i].xml), &d, &error);
                show(&d, after);
                if (cases[i].want[0] == '!')
                        tap_ok(r == -EINVAL && strstr(error.text, cases[i].want + 1) && streq(before, after), "not attached: %s", cases[i].name);
                else if (!tap_ok(r == 0 && strstr(after, cases[i].want) && strstr(after, "[nvram@4]"), "attached: %s", cases[i].name))
                        printf("#   %d %s\n#   have%s\n", r, error.text, after);
        }
}

int main(void) {
        test_good();
        test_bad();
        test_time();
        test_netdevs_time();
        test_attach();
        return tap_done();
}
