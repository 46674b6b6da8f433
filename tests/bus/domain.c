/* SPDX-License-Identifier: LGPL-2.1-or-later */

#include "domain.h"

static const char *or_else(const char *text, const char *usual) {
        return text ? text : usual;
}

char *domain_xml(const TestDomain *d) {
        char *xml = NULL;

        if (asprintf(&xml,
                     "<domain type='%s'>\n"
                     "  <name>%s</name>\n"
                     "  <uuid>%s</uuid>\n"
                     "  <maxMemory slots='16' unit='KiB'>4194304</maxMemory>\n"
                     "  <memory unit='KiB'>1048576</memory>\n"
                     "  <currentMemory unit='KiB'>1048576</currentMemory>\n"
                     "  <vcpu placement='static'>1</vcpu>\n"
                     "  <os><type arch='%s' machine='%s'>hvm</type><boot dev='hd'/></os>\n"
                     "  <devices>\n"
                     "    <emulator>/usr/bin/qemu-system-ppc64</emulator>\n"
                     "    <controller type='usb' index='0' model='none'/>\n"
                     "    <controller type='pci' index='0' model='pci-root'><model name='spapr-pci-host-bridge'/><target index='0'/>"
                     "<alias name='pci.0'/></controller>\n"
                     "    %s\n"
                     "    <memballoon model='none'/>\n"
                     "  </devices>\n"
                     "  %s\n"
                     "</domain>\n",
                     or_else(d->type, "kvm"), or_else(d->name, "a"), or_else(d->uuid, UUID_A), or_else(d->arch, "ppc64le"),
                     or_else(d->machine, "pseries-9.2"), or_else(d->devices, ""), or_else(d->rest, "")) < 0)
                bail_out("no memory");
        return xml;
}

static int new_call(sd_bus *bus, const char *method, sd_bus_message **ret) {
        return sd_bus_message_new_method_call(bus, ret, sd_bus_is_bus_client(bus) > 0 ? TCED_BUS_NAME : NULL, TCED_BUS_PATH,
                                              TCED_INTERFACE_MANAGER, method);
}

int plan_domain(sd_bus *bus, const char *domain, const char *attach, sd_bus_error *error, char **ret_json) {
        _cleanup_message_ sd_bus_message *m = NULL, *reply = NULL;
        const char *json;
        int r;

        r = new_call(bus, "PlanDomain", &m);
        if (r >= 0)
                r = sd_bus_message_append(m, "s", domain);
        if (r >= 0)
                r = attach ? sd_bus_message_append(m, "a{sv}", 1, "Attach", "s", attach) : sd_bus_message_append(m, "a{sv}", 0);
        if (r >= 0)
                r = sd_bus_message_append(m, "t", UINT64_C(0));
        if (r >= 0)
                r = sd_bus_call(bus, m, 0, error, &reply);
        if (r >= 0)
                r = sd_bus_message_read(reply, "s", &json);
        if (r < 0)
                return r;
        if (ret_json)
                *ret_json = strdup(json);
        return 0;
}

int register_domain(sd_bus *bus, const TestDomain *d, uint64_t flags, sd_bus_error *error, char **ret_path, unsigned *ret_findings) {
        _cleanup_message_ sd_bus_message *reply = NULL;
        _cleanup_free_ char *xml = domain_xml(d);
        const char *path;
        unsigned n = 0;
        int r;

        r = call(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "RegisterDomain", error, &reply, "st", xml, flags);
        if (r >= 0)
                r = sd_bus_message_read(reply, "o", &path);
        if (r >= 0)
                r = sd_bus_message_enter_container(reply, 'a', "(sssss)");
        while (r >= 0 && (r = sd_bus_message_skip(reply, "(sssss)")) > 0)
                n++;
        if (r < 0 && r != -ENXIO)
                return r;
        if (ret_path)
                *ret_path = strdup(path);
        if (ret_findings)
                *ret_findings = n;
        return 0;
}

int release_domain(sd_bus *bus, const TestDomain *d, sd_bus_error *error) {
        _cleanup_free_ char *xml = domain_xml(d);

        return call(bus, TCED_BUS_PATH, TCED_INTERFACE_MANAGER, "ReleaseDomain", error, NULL, "st", xml, UINT64_C(0));
}
