#include "context/container.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cvf::context {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

const std::string id(64, 'c');

TEST(Container, SplitsImageReferences) {
    const auto expect = [](std::string_view reference, std::string_view name, std::string_view tag) {
        EXPECT_EQ(split_image(reference).name, name) << reference;
        EXPECT_EQ(split_image(reference).tag, tag) << reference;
    };
    expect("nginx", "nginx", "");
    expect("nginx:1.25", "nginx", "1.25");
    expect("docker.io/library/nginx:1.25@sha256:" + id, "docker.io/library/nginx", "1.25");
    expect("registry:5000/team/app", "registry:5000/team/app", "");
    expect("registry:5000/team/app:v2", "registry:5000/team/app", "v2");
    expect("app@sha256:" + id, "app", "");
    expect("sha256:" + id, "", "");
    expect(id, "", "");
}

TEST(Container, ReadsTheAnnotationsOfContainerdsCri) {
    const auto found = parse_oci_config(R"({"ociVersion":"1.0.2","process":{"args":["x"]},"annotations":{
        "io.kubernetes.cri.container-type":"container","io.kubernetes.cri.container-name":"web","io.kubernetes.cri.image-name":"docker.io/library/nginx:1.25",
        "io.kubernetes.cri.sandbox-id":"s","io.kubernetes.cri.sandbox-name":"web-7d9","io.kubernetes.cri.sandbox-namespace":"shop",
        "io.kubernetes.cri.sandbox-uid":"6a1fe3d2-1c2b-4d5e-8f90-a1b2c3d4e5f6"}})");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->runtime, Runtime::containerd);
    EXPECT_EQ(found->name, "web");
    EXPECT_EQ(found->k8s_container_name, "web");
    EXPECT_EQ(found->image, "docker.io/library/nginx");
    EXPECT_THAT(found->tags, ElementsAre("1.25"));
    EXPECT_EQ(found->pod_name, "web-7d9");
    EXPECT_EQ(found->pod_namespace, "shop");
    EXPECT_EQ(found->pod_uid, "6a1fe3d2-1c2b-4d5e-8f90-a1b2c3d4e5f6");
}

TEST(Container, ReadsTheAnnotationsOfCriOWithTheLabelsInside) {
    const auto found = parse_oci_config(
        R"({"annotations":{"io.container.manager":"cri-o","io.kubernetes.cri-o.Name":"k8s_web_web-7d9_shop_uid_0",
        "io.kubernetes.cri-o.ImageName":"quay.io/app:v3","io.kubernetes.pod.name":"web-7d9","io.kubernetes.pod.namespace":"shop",
        "io.kubernetes.cri-o.Labels":"{\"tier\":\"front\",\"io.kubernetes.container.name\":\"web\"}"}})");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->runtime, Runtime::crio);
    EXPECT_EQ(found->name, "k8s_web_web-7d9_shop_uid_0");
    EXPECT_EQ(found->image, "quay.io/app");
    EXPECT_EQ(found->pod_name, "web-7d9");
    EXPECT_EQ(found->k8s_container_name, "web");
    EXPECT_THAT(found->labels, ElementsAre(Pair("io.kubernetes.container.name", "web"), Pair("tier", "front")));
}

TEST(Container, ReadsWhatDockerTells) {
    const auto found = parse_docker_container(R"({"Id":"x","Name":"/shop-web","State":{"Pid":7},"Config":{"Image":"nginx:1.25",
        "Labels":{"team":"shop","io.kubernetes.pod.name":"web-7d9","io.kubernetes.pod.namespace":"shop"}}})");
    ASSERT_TRUE(found);
    EXPECT_EQ(found->runtime, Runtime::docker);
    EXPECT_EQ(found->name, "shop-web");
    EXPECT_EQ(found->image, "nginx");
    EXPECT_EQ(found->pod_name, "web-7d9");
    EXPECT_THAT(found->labels, testing::Contains(Pair("team", "shop")));
}

TEST(Container, FindsTheEntryOfContainersStorage) {
    const auto found = parse_storage_containers(
        R"([{"id":"another","names":["no"]},{"id":")" + id +
            R"(","names":["web"],"image":"abc","metadata":"{\"image-name\":\"docker.io/library/busybox:latest\",\"name\":\"web\"}"}])",
        id);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->name, "web");
    EXPECT_EQ(found->image, "docker.io/library/busybox");
    EXPECT_THAT(found->tags, ElementsAre("latest"));
    EXPECT_FALSE(parse_storage_containers("[]", id));
}

TEST(Container, RefusesWhatIsNotADocument) {
    for (const std::string& text : {std::string(), std::string("{"), std::string("[]"), std::string("null"),
                                    std::string("{\"annotations\":") + std::string(100, '['),
                                    std::string("{\"a\":\"") + std::string(max_document_bytes, 'x') + "\"}"}) {
        EXPECT_FALSE(parse_oci_config(text)) << text.substr(0, 20);
        EXPECT_FALSE(parse_docker_container(text)) << text.substr(0, 20);
        EXPECT_FALSE(parse_storage_containers(text, id)) << text.substr(0, 20);
    }
    EXPECT_EQ(parse_oci_config("{}"), Container());
    EXPECT_EQ(parse_oci_config(R"({"annotations":[1]})"), Container());
    EXPECT_EQ(parse_oci_config(R"({"annotations":{"nerdctl/name":5,"io.container.manager":{}}})"), Container());
}

TEST(Container, LeavesOutOverlongTextsAndLabelsBeyondTheLimit) {
    const std::string name(max_name_bytes + 1, 'n');
    const auto long_name =
        parse_docker_container(R"({"Name":"/)" + name + R"(","Config":{"Labels":{")" + std::string(max_label_key_bytes + 1, 'k') +
                               R"(":"v","a":")" + std::string(max_label_value_bytes + 1, 'v') + R"(","b":"c"}}})");
    ASSERT_TRUE(long_name);
    EXPECT_THAT(long_name->name, IsEmpty());
    EXPECT_THAT(long_name->labels, ElementsAre(Pair("b", "c")));

    std::string many;
    for (int i = 0; i < 1000; ++i) many += (i ? ",\"" : "\"") + std::to_string(i) + "\":\"v\"";
    const auto labels = parse_docker_container(R"({"Config":{"Labels":{)" + many + "}}}");
    ASSERT_TRUE(labels);
    EXPECT_EQ(labels->labels.size(), max_labels);
}

TEST(Container, MergingFillsOnlyWhatIsAbsent) {
    Container known{.name = "web", .runtime = Runtime::podman};
    merge(known, Container{.name = "other", .image = "nginx", .tags = {"1"}, .runtime = Runtime::docker});
    EXPECT_EQ(known, (Container{.name = "web", .image = "nginx", .tags = {"1"}, .runtime = Runtime::podman}));
}

}  // namespace
}  // namespace cvf::context
